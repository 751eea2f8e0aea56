// Command proxy stands in for the real one: it is ready when the redirect is there, shows its certificate to everybody, and ends
// at SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/redirect"
)

func main() {
	var err error
	switch os.Args[1] {
	case naming.CommandRedirect:
		err = redirect.Apply(redirect.Options{})
	case naming.CommandRun:
		err = run()
	default:
		err = fmt.Errorf("unknown command %v", os.Args[1:])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := os.WriteFile(filepath.Join(naming.StateDir, "state"), nil, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile("/run/state", nil, 0o600); err == nil {
		return errors.New("the root is not read-only")
	}
	mux := http.NewServeMux()
	mux.HandleFunc(naming.PathRedirect, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, naming.RedirectProof) })
	mux.HandleFunc(naming.PathReady, ready)
	mux.HandleFunc("/certificate", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(naming.TLSDir, naming.FileCert))
	})
	server := &http.Server{Addr: fmt.Sprintf(":%d", naming.PortAdmin), Handler: mux}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("uid", os.Getuid(), "pod", os.Getenv(naming.EnvPodNamespace)+"/"+os.Getenv(naming.EnvPodName), os.Getenv(naming.EnvPodUID))
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	fmt.Println("asked to end")
	return nil
}

func ready(w http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer)
	address, err := netip.ParseAddrPort(local.String())
	if err == nil {
		err = redirect.Verify(r.Context(), address.Addr().Unmap())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
