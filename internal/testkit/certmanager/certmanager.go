// Package certmanager runs cert-manager's own controllers against a test control plane: Certificates, CertificateRequests and
// the issuers CA and SelfSigned. Its webhooks are left out, so nobody defaults or validates beyond the CRDs.
package certmanager

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// Options of a run.
type Options struct {
	// Approve runs the controller that approves every CertificateRequest, as cert-manager does unless told otherwise.
	Approve bool
	// MinimumBackoff is how long a Certificate waits after a request that failed; 0 is cert-manager's default, an hour.
	MinimumBackoff time.Duration
}

// Process is a running cert-manager.
type Process struct {
	stop func() error
}

// Require installs the CRDs and runs cert-manager until Stop is called or the test ends. Where the program is missing the
// test is skipped; with WARIFU_REQUIRE_CLUSTER=1 (CI) it fails.
func Require(t testing.TB, c *cluster.Cluster, o Options) *Process {
	t.Helper()
	p, err := Start(c, o)
	switch {
	case errors.Is(err, binaries.ErrMissing) && os.Getenv(cluster.EnvRequire) != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Install installs cert-manager's CRDs. What is there already stays.
func Install(c *cluster.Cluster) error {
	folder, err := binaries.FindCertManager()
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(c.Config, envtest.CRDInstallOptions{
		Paths: []string{filepath.Join(folder, binaries.FolderCRDs)}, ErrorIfPathMissing: true, MaxTime: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("installing cert-manager's CRDs: %w", err)
	}
	return nil
}

// Start installs the CRDs and runs cert-manager until Stop is called. It also ends when this process dies in any way.
func Start(c *cluster.Cluster, o Options) (*Process, error) {
	if err := Install(c); err != nil {
		return nil, err
	}
	folder, err := binaries.FindCertManager()
	if err != nil {
		return nil, err
	}
	if o.MinimumBackoff == 0 {
		o.MinimumBackoff = time.Hour
	}
	log, err := os.CreateTemp("", "warifu-cert-manager-*.log")
	if err != nil {
		return nil, fmt.Errorf("starting cert-manager: %w", err)
	}
	program := exec.Command(filepath.Join(folder, binaries.CertManager),
		"--kubeconfig="+c.Kubeconfig, fmt.Sprintf("--approve=%t", o.Approve), "--minimum-backoff="+o.MinimumBackoff.String())
	program.Stdout, program.Stderr = log, log
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the tests; the end of its input does the rest
	input, err := program.StdinPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting cert-manager: %w", err), log.Close(), os.Remove(log.Name()))
	}
	return &Process{stop: sync.OnceValue(func() error { return end(program, input, log) })}, nil
}

// Stop ends cert-manager and waits for it.
func (p *Process) Stop() error { return p.stop() }

// grace is how long controllers may take to finish what they are doing.
const grace = 10 * time.Second

func end(program *exec.Cmd, input io.Closer, log *os.File) error {
	defer os.Remove(log.Name())
	defer log.Close()
	kill := time.AfterFunc(grace, func() { _ = program.Process.Kill() })
	defer kill.Stop()
	_ = input.Close()
	err := program.Wait()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() == -1 { // killed, after the grace period
		return nil
	}
	const enough = 2000
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("cert-manager: %w: …%s", err, text[max(0, len(text)-enough):])
}
