// Command demo shows Warifu at work: on the local cluster of hack/cluster, or that of KUBECONFIG, from the chart to pods that
// prove who they are. Where the machine cannot run a node it shows what a control plane alone can show.
//
//	go run ./hack/demo [-cluster N]         shows it, and leaves it there
//	go run ./hack/demo [-cluster N] down    ends it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/warifu/warifu/hack/demo/live"
	"github.com/warifu/warifu/hack/demo/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	id := flag.Int("cluster", 0, "which of several local clusters, 0 to 9")
	flag.Parse()
	demo, err := live.New(*id, report.New(os.Stdout))
	if err != nil {
		return err
	}
	switch {
	case flag.NArg() == 0:
		return demo.Run(ctx)
	case flag.NArg() == 1 && flag.Arg(0) == "down":
		return demo.Down(ctx)
	}
	return errors.New("usage: demo [-cluster N] [down]")
}
