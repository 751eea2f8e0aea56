// The proxy: what the injector adds to a pod. It redirects the pod's traffic to itself and makes the policies true for it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/warifu/warifu/internal/proxy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := proxy.NewCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}
