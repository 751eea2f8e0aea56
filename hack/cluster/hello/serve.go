package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
)

// pathFail answers as an application that is not well.
const pathFail = "/fail"

// serve answers until the context ends, and finishes what was asked by then. Where there is a farewell, it asks for that
// last of all: whoever ends in order still has its network.
func serve(ctx context.Context, address, farewell string) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: address, Handler: handler(), ReadHeaderTimeout: patience, Protocols: protocols}
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(ending)
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	if farewell == "" {
		return nil
	}
	return ask(context.WithoutCancel(ctx), http.MethodGet, farewell, os.Stdout)
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", answer)
	mux.HandleFunc(pathFail, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("POST "+pathHealth, health)
	return mux
}

// answer says who was asked for what, and with which headers. What was asked is in the log, too.
func answer(w http.ResponseWriter, r *http.Request) {
	fmt.Println(r.Method, r.URL.RequestURI())
	host, _ := os.Hostname()
	fmt.Fprintf(w, "%s %s at %s\n", r.Method, r.URL.RequestURI(), host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "%s: %s\n", name, strings.Join(r.Header[name], ", "))
	}
}
