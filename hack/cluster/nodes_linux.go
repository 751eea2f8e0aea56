package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/hack/cluster/plan"
)

// startHub starts the network. Nodes that outlived a former one are cut off, and started anew.
func (c *cluster) startHub(ctx context.Context) error {
	process, err := machine.LoadProcess(c.folder.Process(hub))
	if err != nil || process.Alive() {
		return err
	}
	for _, node := range c.id.Nodes(plan.MaxNodes) {
		if err := machine.Kill(ctx, c.folder.Process(node.Name)); err != nil {
			return err
		}
	}
	moment, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = machine.WaitUnlinked(moment, c.id.Link()) // what is still there then is somebody else's, and Free says so
	if err := machine.Free(c.id.Link(), c.id.Machine()); err != nil {
		return err
	}
	held, err := c.start(hub, machine.Spec{Name: hub})
	if err != nil {
		return err
	}
	if err := machine.ConnectMachine(held.Process, c.id.Link(), c.id.Machine()); err != nil {
		return errors.Join(err, held.Abandon())
	}
	return held.Release()
}

// startNodes starts the nodes that do not run.
func (c *cluster) startNodes(nodes []plan.Node, keys *plan.PKI) error {
	network, err := machine.LoadProcess(c.folder.Process(hub))
	if err != nil {
		return err
	}
	for _, node := range nodes {
		process, err := machine.LoadProcess(c.folder.Process(node.Name))
		if err != nil {
			return err
		}
		if process.Alive() {
			continue
		}
		if err := c.startNode(node, network, keys); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startNode(node plan.Node, network machine.Process, keys *plan.PKI) error {
	files, err := node.Files(keys, c.programs)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := plan.WriteFile(filepath.Join(c.folder.Var(node.Name), "kubernetes", name), data, 0o600); err != nil {
			return err
		}
	}
	if err := machine.MakeCgroup(c.id.Cgroup(node.Name)); err != nil {
		return err
	}
	held, err := c.start(node.Name, node.Spec(c.folder, c.programs))
	if err != nil {
		return err
	}
	if err := machine.Connect(network, held.Process, node.Name, node.Address, node.Routes()); err != nil {
		return errors.Join(err, held.Abandon())
	}
	return held.Release()
}

// start starts a first process. It runs a copy of this program, which is there as long as the cluster is.
func (c *cluster) start(name string, spec machine.Spec) (*machine.Held, error) {
	if err := copySelf(c.folder.Program()); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := plan.WriteFile(c.folder.Spec(name), text, 0o600); err != nil {
		return nil, err
	}
	return machine.Start(machine.Options{
		Program: c.folder.Program(),
		Args:    []string{commandNode, c.folder.Spec(name)},
		Record:  c.folder.Process(name),
		Log:     filepath.Join(filepath.Dir(c.folder.Process(name)), "log"),
	})
}

func copySelf(to string) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	data, err := io.ReadAll(self)
	if err != nil {
		return err
	}
	return plan.WriteFile(to, data, 0o755)
}

// down ends the cluster and leaves nothing behind.
func (c *cluster) down(ctx context.Context) error {
	if _, err := os.Stat(string(c.folder)); errors.Is(err, os.ErrNotExist) {
		c.steps.done("There is no cluster")
		return nil
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, step := range []struct {
		name    string
		perform func() error
	}{
		{"Ending the nodes and the network", func() error {
			var errs []error
			for _, node := range c.id.Nodes(plan.MaxNodes) {
				errs = append(errs, machine.Kill(ctx, c.folder.Process(node.Name)))
			}
			return errors.Join(append(errs, machine.Kill(ctx, c.folder.Process(hub)), machine.WaitUnlinked(ctx, c.id.Link()))...)
		}},
		{"Removing cgroups", func() error { return machine.RemoveCgroup(ctx, c.id.Cgroup("")) }},
		{"Removing files", func() error { return os.RemoveAll(string(c.folder)) }},
	} {
		if err := c.steps.do(step.name, step.perform); err != nil {
			return err
		}
	}
	c.steps.done("Nothing is left")
	return nil
}
