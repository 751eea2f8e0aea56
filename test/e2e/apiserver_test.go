package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// killAPIServer kills the API server of a local cluster; its node starts it again.
func killAPIServer(cluster plan.ID) error {
	node, err := machine.LoadProcess(cluster.Folder().Process(cluster.Nodes(1)[0].Name))
	if err != nil {
		return err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", node.PID)) // any of them may have started it
	if err != nil {
		return err
	}
	var children string
	for _, thread := range threads {
		if own, err := os.ReadFile(thread); err == nil { // else the thread has ended
			children += string(own) + " "
		}
	}
	for child := range strings.FieldsSeq(children) {
		name, err := os.ReadFile("/proc/" + child + "/comm")
		if err != nil || strings.TrimSpace(string(name)) != binaries.APIServer {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(child, &pid); err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return errors.New("the node runs no API server")
}
