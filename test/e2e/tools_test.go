package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// tools are the programs that a user has, and the cluster that they speak to.
type tools struct {
	root                      string // of the source
	kubeconfig                string
	kubectlPath, helm, warifu string
	results                   string // folder of what failed tests leave
	// firstExpiry is when the certificate expires that the load began with, and loadUntil when it is to be judged at the earliest.
	firstExpiry, loadUntil time.Time
}

// world is set before the first test.
var world tools

func findTools() (tools, error) {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return tools{}, err
	}
	t := tools{
		root:       root,
		kubeconfig: os.Getenv("KUBECONFIG"),
		warifu:     filepath.Join(root, "bin", "warifu"),
		results:    filepath.Join(root, "bin", "e2e"),
	}
	if t.kubeconfig == "" {
		t.kubeconfig = plan.ID(0).Folder().Kubeconfig()
	}
	if _, err := os.Stat(t.kubeconfig); err != nil {
		return tools{}, fmt.Errorf("there is no cluster; make cluster-up starts one: %w", err)
	}
	if _, err := os.Stat(t.warifu); err != nil {
		return tools{}, fmt.Errorf("make build makes it: %w", err)
	}
	if t.helm, err = binaries.FindHelm(); err != nil {
		return tools{}, err
	}
	folder, err := binaries.Find()
	if err != nil {
		return tools{}, err
	}
	t.kubectlPath = filepath.Join(folder, binaries.Kubectl)
	return t, os.RemoveAll(t.results)
}

// localCluster is the cluster of hack/cluster that the tests speak to, whose programs run on this machine; false where it is
// somebody else's.
func (t tools) localCluster() (plan.ID, bool) {
	for id := range plan.ID(plan.MaxID + 1) {
		if t.kubeconfig == id.Folder().Kubeconfig() {
			return id, true
		}
	}
	return 0, false
}

// kubectl runs kubectl and returns what it printed to both outputs.
func (t tools) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	return t.run(ctx, input, t.kubectlPath, args...)
}

func (t tools) run(ctx context.Context, input, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = t.root
	command.Env = append(os.Environ(), "KUBECONFIG="+t.kubeconfig)
	command.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, &out)
	}
	return out.String(), nil
}
