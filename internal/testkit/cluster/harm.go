package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// EtcdURL is where etcd answers, without authentication: gRPC, and the same as JSON under /v3/.
func (c *Cluster) EtcdURL() string { return c.environment.ControlPlane.Etcd.URL.String() }

// KillAPIServer kills kube-apiserver, as a crash does, and returns when it is gone. RestartAPIServer brings it back.
func (c *Cluster) KillAPIServer(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(c.dir, binaries.APIServer+".pid"))
	if err != nil {
		return fmt.Errorf("killing the API server: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("killing the API server: %w", err)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return fmt.Errorf("killing the API server: %w", err)
	}
	for _, arg := range bytes.Split(bytes.TrimRight(line, "\x00"), []byte{0}) {
		c.apiServer = append(c.apiServer, string(arg))
	}
	c.apiServer = c.apiServer[1:] // its name
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the API server: %w", err)
	}
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, startTimeout, true, func(context.Context) (bool, error) {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH), nil
	})
}

// RestartAPIServer starts a killed kube-apiserver again, at the same address and on the same etcd, and waits until it is
// ready.
func (c *Cluster) RestartAPIServer(ctx context.Context) error {
	path := filepath.Join(c.dir, binaries.APIServer) // known to the guard
	log, err := os.OpenFile(path+".log", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("restarting the API server: %w", err)
	}
	defer log.Close()
	server := exec.Command(path, c.apiServer...)
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := server.Start(); err != nil {
		return fmt.Errorf("restarting the API server: %w", err)
	}
	c.apiServer = nil
	go func() { _ = server.Wait() }()
	client, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return fmt.Errorf("restarting the API server: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("restarting the API server: %w", err), c.logs())
	}
	return nil
}
