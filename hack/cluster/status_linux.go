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
	nodes, err := c.running()
	if err != nil {
		return err
	}
	if !process.Alive() && len(nodes) == 0 {
		fmt.Println("There is no cluster. make cluster-up starts one.")
		return nil
	}
	if c.programs, err = plan.FindPrograms(); err != nil {
		return err
	}
	state := "running"
	if !process.Alive() {
		state = "not running"
	}
	fmt.Printf("network  %s, %s at %s\n", state, plan.Link, plan.Machine())
	for _, node := range nodes {
		process, err := machine.LoadProcess(c.folder.Process(node.Name))
		if err != nil {
			return err
		}
		fmt.Printf("%-8s process %d; nsenter --all --target %[2]d enters it; logs in %s/log\n", node.Name, process.PID, c.folder.Var(node.Name))
	}
	fmt.Printf("\nexport KUBECONFIG=%s\n", c.folder.Kubeconfig())
	for _, args := range [][]string{{"get", "nodes", "--output=wide"}, {"get", "pods", "--all-namespaces", "--output=wide"}} {
		out, err := c.kubectl(ctx, nil, args...)
		if err != nil {
			return errors.Join(errors.New("the API server does not answer"), c.logs(err, plan.Nodes(1)[0], "kube-apiserver"))
		}
		fmt.Printf("\n%s\n", out)
	}
	return nil
}
