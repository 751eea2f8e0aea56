package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Able is an error where this machine, or this user, cannot run a node. It says what is in the way.
func Able() error {
	if os.Geteuid() != 0 {
		return errors.New("that needs root")
	}
	// Root of a container has all of this on paper only.
	try := exec.Command("true")
	try.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := try.Run(); err != nil {
		return fmt.Errorf("there are no namespaces to be had: %w", err)
	}
	return nil
}
