package redirect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// patience ends a test that would hang; nothing waits for it to pass.
const patience = 20 * time.Second

// The test binary runs in pods as a program of its own: "apply", or "verify" and the pod's address.
const envAct = "WARIFU_TEST_ACT"

func TestMain(m *testing.M) {
	var err error
	switch what, address, _ := strings.Cut(os.Getenv(envAct), " "); what {
	case "":
		os.Exit(m.Run())
	case "apply":
		err = Apply(Options{})
	case "verify":
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = Verify(ctx, netip.MustParseAddr(address))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// self is the test binary as a command in a pod.
func self(t *testing.T, act string) podnet.Command {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const program = "/run/test"
	return podnet.Command{
		Path: program, Mounts: []podnet.Mount{{Source: path, Target: program, ReadOnly: true}}, Env: []string{envAct + "=" + act},
	}
}

// apply sets the packet filter of a pod up.
func apply(t *testing.T, pod *podnet.Pod, o Options) {
	t.Helper()
	if err := pod.Do(func() error { return Apply(o) }); err != nil {
		t.Fatal(err)
	}
}

// listen says a word to everybody who connects to a port of the pod, and where they were going if they were redirected.
func listen(t *testing.T, pod *podnet.Pod, port int, word string) {
	t.Helper()
	listener := listener(t, pod, port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			original, err := OriginalDestination(conn.(*net.TCPConn))
			switch {
			case err == nil:
				_, _ = io.WriteString(conn, word+" for "+original.String())
			case errors.Is(err, ErrNotRedirected):
				_, _ = io.WriteString(conn, word)
			default:
				_, _ = io.WriteString(conn, err.Error())
			}
			_ = conn.Close()
		}
	}()
}

func listener(t *testing.T, pod *podnet.Pod, port int) net.Listener {
	t.Helper()
	listener, err := pod.Listen(t.Context(), "tcp", "[::]:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// serveAdmin answers as the proxy does on its admin port.
func serveAdmin(t *testing.T, pod *podnet.Pod, answer string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+naming.PathRedirect, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
	server := &http.Server{Handler: mux}
	listener := listener(t, pod, naming.PortAdmin)
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
}

// hear is what is said to somebody who connects, "" when nobody answers.
func hear(t *testing.T, dial dialer, to string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := dial(ctx, "tcp", to)
	if err != nil {
		return ""
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	word, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("connected to %s: %v", to, err)
	}
	return string(word)
}

func at(addr netip.Addr, port uint16) string { return netip.AddrPortFrom(addr, port).String() }
