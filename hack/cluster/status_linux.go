package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/hack/cluster/plan"
)

// status says what runs. It fails where something should and does not.
func (c *cluster) status(ctx context.Context) error {
	process, err := machine.LoadProcess(c.folder.Process(hub))
	if err != nil {
		return err
	}
	nodes, err := c.members()
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		fmt.Println("There is no cluster. make cluster-up starts one.")
		return nil
	}
	if c.programs, err = plan.FindPrograms(); err != nil {
		return err
	}
	stopped := 0
	show := func(name string, p machine.Process, more string) {
		if !p.Alive() {
			stopped++
			more = "not running"
		}
		fmt.Printf("%-8s %s\n", name, more)
	}
	show(hub, process, fmt.Sprintf("%s at %s", c.id.Link(), c.id.Machine()))
	for _, node := range nodes {
		show(node.Name, node.process, fmt.Sprintf("%s, logs in %s/log; to enter it: nsenter --all --target %d",
			node.Address.Addr(), c.folder.Var(node.Name), node.process.PID))
	}
	if stopped > 0 {
		return errors.New("not all of the cluster runs; make cluster-up starts what does not")
	}
	fmt.Printf("\nexport KUBECONFIG=%s\n", c.folder.Kubeconfig())
	for _, args := range [][]string{{"get", "nodes", "--output=wide"}, {"get", "pods", "--all-namespaces", "--output=wide"}} {
		out, err := c.kubectl(ctx, nil, args...)
		if err != nil {
			return errors.Join(errors.New("the API server does not answer"), c.logs(err, c.id.Nodes(1)[0], "kube-apiserver"))
		}
		fmt.Printf("\n%s\n", out)
	}
	return nil
}
