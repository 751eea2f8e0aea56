// Command cluster runs a real Kubernetes with one to three nodes on one Linux machine, without Docker and without a registry.
// It needs root. All that it makes is below /var/lib/warifu-cluster, in namespaces of its own, and behind one interface.
// With -cluster N, 1 to 9, it is about another cluster beside that one.
//
//	go run ./hack/cluster up [-nodes N]     starts a cluster, or what of it does not run
//	go run ./hack/cluster status            says what runs
//	go run ./hack/cluster load [ARCHIVE]…   builds Warifu's images and loads them into every node, and the archives
//	go run ./hack/cluster down              ends it and removes every trace
//	go run ./hack/cluster kubeconfig        prints the path of its kubeconfig
//
// Where KUBECONFIG names another cluster, the same commands are about that one, and change nothing of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

var errUsage = errors.New("usage: cluster up [-nodes N] | status | load [ARCHIVE]… | down | kubeconfig, each with -cluster 0 to 9")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted; the same command goes on from here")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	if args[0] == commandNode { // the first process of a node is this program too
		return runNode(args[1:])
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	size := flags.Int("nodes", 0, "how many nodes, 1 to 3; as many as there are, or 1")
	id := flags.Int("cluster", 0, "which of several clusters, 0 to 9: each has its own nodes, interface and folder")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *id < 0 || *id > plan.MaxID {
		return errUsage
	}
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	steps := newSteps(os.Stdout)
	c := &cluster{id: plan.ID(*id), folder: plan.ID(*id).Folder(), root: root, steps: steps}
	if config := os.Getenv("KUBECONFIG"); config != "" && config != c.folder.Kubeconfig() {
		return foreign{kubeconfig: config, root: root, steps: steps}.run(ctx, args[0])
	}
	switch args[0] {
	case "up":
		return c.up(ctx, *size)
	case "status":
		return c.status(ctx)
	case "load":
		return c.load(ctx, flags.Args())
	case "down":
		return c.down(ctx)
	case "kubeconfig":
		_, err := fmt.Println(c.folder.Kubeconfig())
		return err
	}
	return errUsage
}
