package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

const (
	commandNode = "node"
	// hub is the name of the process that has the switch.
	hub = "switch"
)

// cluster is the local cluster. Everything about it is on disk: it outlives the commands.
type cluster struct {
	id       plan.ID
	folder   plan.Folder // of id
	root     string      // of the source
	steps    *steps
	programs plan.Programs
}

// runNode is the first process of a node or of the switch.
func runNode(args []string) error {
	if len(args) != 1 {
		return errors.New("this command is for the program itself")
	}
	return machine.Run(args[0])
}

// lock keeps two commands from changing the cluster at once, and returns how to let the next one do it.
func (c *cluster) lock() (unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a node needs root: run this as root, or set KUBECONFIG to use a cluster that runs elsewhere")
	}
	for {
		if err := os.MkdirAll(string(c.folder), 0o755); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(c.folder.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return nil, errors.Join(errors.New("another command is changing the cluster; wait for it or end it"), file.Close())
		}
		held, errHeld := file.Stat()
		there, errThere := os.Stat(c.folder.Lock())
		if errHeld == nil && errThere == nil && os.SameFile(held, there) {
			return func() { _ = file.Close() }, nil
		}
		_ = file.Close() // cluster down removed it between opening and locking
	}
}

// member is a node of the cluster.
type member struct {
	plan.Node
	process machine.Process
}

// members are the nodes that were ever started, in their order; they need not be running.
func (c *cluster) members() ([]member, error) {
	var all []member
	for _, node := range c.id.Nodes(plan.MaxNodes) {
		if _, err := os.Stat(c.folder.Spec(node.Name)); errors.Is(err, os.ErrNotExist) {
			continue
		}
		process, err := machine.LoadProcess(c.folder.Process(node.Name))
		if err != nil {
			return nil, err
		}
		all = append(all, member{node, process})
	}
	return all, nil
}

// kubectl runs kubectl as an administrator and returns what it printed.
func (c *cluster) kubectl(ctx context.Context, input []byte, args ...string) (string, error) {
	return execute(ctx, input, filepath.Join(c.programs.ControlPlane, binaries.Kubectl),
		append([]string{"--kubeconfig=" + c.folder.Kubeconfig(), "--request-timeout=5s"}, args...)...)
}

// execute runs a command and returns what it printed; an error has that, too.
func execute(ctx context.Context, input []byte, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin = strings.NewReader(string(input))
	out, err := command.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, text)
	}
	return text, nil
}

// logs adds the ends of the programs' logs to an error.
func (c *cluster) logs(err error, node plan.Node, programs ...string) error {
	const enough = 1500
	for _, program := range programs {
		path := c.folder.Log(node.Name, program)
		if text, readErr := os.ReadFile(path); readErr == nil {
			err = errors.Join(err, fmt.Errorf("%s: …%s", path, text[max(0, len(text)-enough):]))
		}
	}
	return err
}
