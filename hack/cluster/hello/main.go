// Command hello is the application of the walkthrough and of the end-to-end tests on the local cluster: an HTTP server that
// answers with what it was asked, and clients to ask with. Its image has nothing else in it.
//
//	hello serve [-farewell URL]   listens on port 8080, for gRPC's health checks too; asks for the URL before it ends
//	hello get URL                 prints the status and the body of the answer; fails where there is none
//	hello post URL                the same with another method
//	hello load URL                asks again and again until it is ended, and counts what failed
//	hello wait                    does nothing until it is ended: a pod to run "hello get" in
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// patience is how long an answer may take.
const patience = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve(ctx, ":8080", "")
	case len(args) == 3 && args[0] == "serve" && args[1] == "-farewell":
		return serve(ctx, ":8080", args[2])
	case len(args) == 2 && args[0] == "get":
		return ask(ctx, http.MethodGet, args[1], os.Stdout)
	case len(args) == 2 && args[0] == "post":
		return ask(ctx, http.MethodPost, args[1], os.Stdout)
	case len(args) == 2 && args[0] == "load":
		return load(ctx, args[1], os.Stdout)
	case len(args) == 1 && args[0] == "wait":
		<-ctx.Done()
		return nil
	}
	return errors.New("usage: hello serve [-farewell URL] | get URL | post URL | load URL | wait")
}
