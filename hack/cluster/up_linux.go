package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// up starts what does not run. It is the same for a first start, after an interruption and for more nodes.
func (c *cluster) up(ctx context.Context, size int) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	there, err := c.members()
	if err != nil {
		return err
	}
	if size == 0 {
		size = max(1, len(there))
	}
	if size < 1 || size > plan.MaxNodes {
		return fmt.Errorf("a cluster has 1 to %d nodes", plan.MaxNodes)
	}
	if size < len(there) {
		return fmt.Errorf("the cluster has %d nodes; cluster down ends it, for one with fewer", len(there))
	}
	var keys *plan.PKI
	nodes := c.id.Nodes(size)
	for _, step := range []struct {
		name    string
		perform func() error
	}{
		{"Looking for what Debian provides", func() error { return c.packages(ctx) }},
		{"Looking for what is built from source", func() error { return c.build(ctx) }},
		{"Making keys", func() (err error) { keys, err = c.keys(); return err }},
		{"Starting the network", func() error { return c.startHub(ctx) }},
		{fmt.Sprintf("Starting nodes: %d", size), func() error { return c.startNodes(nodes, keys) }},
		{"Waiting for the API server", func() error { return c.waitAPI(ctx, nodes[0]) }},
		{"Loading images of pause and CoreDNS", func() error { return c.loadBase(ctx, nodes) }},
		{"Waiting for the nodes", func() error { return c.waitNodes(ctx, nodes) }},
		{"Waiting for DNS", func() error { return c.addons(ctx) }},
	} {
		if err := c.steps.do(step.name, step.perform); err != nil {
			return err
		}
	}
	c.steps.done("Ready. Next: make cluster-load, and export KUBECONFIG=" + c.folder.Kubeconfig())
	return nil
}

// packages installs what is not built here: runc needs C headers, and kube-proxy runs nft and conntrack.
func (c *cluster) packages(ctx context.Context) error {
	var missing []string
	for program, name := range map[string]string{"runc": "runc", "nft": "nftables", "conntrack": "conntrack"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return c.visibly(ctx, filepath.Join(c.root, "hack", "install.sh"), missing...)
}

func (c *cluster) build(ctx context.Context) error {
	for _, args := range [][]string{{}, {"--node"}} {
		if err := c.visibly(ctx, "go", append([]string{"run", "./hack/binaries"}, args...)...); err != nil {
			return err
		}
	}
	var err error
	c.programs, err = plan.FindPrograms()
	return err
}

// visibly runs a command that says itself how far it is.
func (c *cluster) visibly(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Dir, command.Stdout, command.Stderr = c.root, os.Stdout, os.Stderr
	return command.Run()
}

// keys makes the CAs and an administrator's kubeconfig.
func (c *cluster) keys() (*plan.PKI, error) {
	keys, err := plan.LoadPKI(c.id, c.folder)
	if err != nil {
		return nil, err
	}
	admin, err := keys.AdminKubeconfig()
	if err != nil {
		return nil, err
	}
	return keys, plan.WriteFile(c.folder.Kubeconfig(), admin, 0o600)
}

func (c *cluster) waitAPI(ctx context.Context, first plan.Node) error {
	err := until(ctx, func(ctx context.Context) error {
		_, err := c.kubectl(ctx, nil, "get", "--raw=/readyz")
		return err
	})
	if err != nil {
		return c.logs(err, first, binaries.Etcd, binaries.APIServer)
	}
	return nil
}

func (c *cluster) waitNodes(ctx context.Context, nodes []plan.Node) error {
	for _, node := range nodes {
		err := until(ctx, func(ctx context.Context) error {
			_, err := c.kubectl(ctx, nil, "wait", "--for=condition=Ready", "--timeout=4s", "node/"+node.Name)
			return err
		})
		if err != nil {
			return c.logs(err, node, binaries.Containerd, binaries.Kubelet)
		}
	}
	return nil
}

func (c *cluster) addons(ctx context.Context) error {
	objects, err := plan.Addons()
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, objects, "apply", "--server-side", "--force-conflicts", "--filename=-"); err != nil {
		return err
	}
	return until(ctx, func(ctx context.Context) error {
		_, err := c.kubectl(ctx, nil, "--namespace=kube-system", "wait", "--for=condition=Available", "--timeout=4s", "deployment/coredns")
		return err
	})
}
