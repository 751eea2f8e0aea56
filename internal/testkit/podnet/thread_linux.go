package podnet

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// onThread runs f on a thread of its own, which ends with f: whatever f did to the thread's namespaces, identity and
// privileges goes with it.
func onThread(f func() error) error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread with its goroutine
		err = f()
	}()
	<-done
	return err
}

// inNamespace runs f on a thread in a network namespace.
func inNamespace(ns netns.NsHandle, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return f()
	})
}

// newNamespace makes a network namespace with the system settings given, by path below /proc/sys/net, and with loopback up.
func newNamespace(settings map[string]string) (ns netns.NsHandle, err error) {
	err = onThread(func() error {
		if ns, err = netns.New(); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		return configure(ns, settings)
	})
	return ns, err
}

// configure sets up the namespace that the thread is in.
func configure(ns netns.NsHandle, settings map[string]string) error {
	for path, value := range settings {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0o644); err != nil {
			return err
		}
	}
	links, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer links.Close()
	lo, err := links.LinkByName("lo")
	if err != nil {
		return err
	}
	return links.LinkSetUp(lo)
}
