package failure_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// process is an operator.
type process struct {
	command *exec.Cmd
	health  string
	metrics string
	log     *output
	done    chan struct{} // closed when it has ended
	err     error         // after done
}

// start starts an operator that reaches the API server by way of the proxy, and does not wait for it. Its log is shown when
// the test fails.
func (in installed) start(t *testing.T, proxy *apiServer, webhook string) *process {
	t.Helper()
	access, err := in.As(t.Context(), naming.DefaultNamespace, naming.ServiceAccountOperator)
	if err != nil {
		t.Fatal(err)
	}
	access.Host, access.CAData = proxy.url, proxy.ca
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cluster.WriteKubeconfig(access, kubeconfig); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(webhook)
	if err != nil {
		t.Fatal(err)
	}
	controlHost, controlPort, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{health: freeAddress(t), metrics: freeAddress(t), log: &output{}, done: make(chan struct{})}
	p.command = exec.Command(os.Args[0],
		"--kubeconfig="+kubeconfig, "--config="+in.settings(t), "--namespace="+naming.DefaultNamespace,
		"--webhook-host="+host, "--webhook-port="+port,
		"--control-host="+controlHost, "--control-port="+controlPort,
		"--health-address="+p.health, "--metrics-address="+p.metrics, "--metrics-secure=false",
	)
	p.command.Env = append(os.Environ(), envOperator+"=1")
	p.command.Stdout, p.command.Stderr = p.log, p.log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			t.Error("an operator does not end")
			p.kill()
		}
		if t.Failed() {
			t.Logf("log of the operator:\n%s", p.log)
		}
		if strings.Contains(p.log.String(), "DATA RACE") {
			t.Errorf("a data race in the operator:\n%s", p.log)
		}
	})
	return p
}

// startReady starts an operator and waits until it is ready.
func (in installed) startReady(t *testing.T, proxy *apiServer) *process {
	t.Helper()
	p := in.start(t, proxy, in.webhook)
	p.isReady(t)
	return p
}

func (p *process) isReady(t *testing.T) {
	t.Helper()
	eventually(t, "readiness", func(ctx context.Context) string { return get(ctx, "http://"+p.health+"/readyz") })
}

// kill is SIGKILL, and returns when the process is no more.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// hasEnded waits for the end of the process.
func (p *process) hasEnded(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		t.Fatalf("the operator still runs after %s", within)
	}
}

// freeLease spares the test the 15 seconds after which the lease of a killed leader expires.
func (in installed) freeLease(t *testing.T) {
	t.Helper()
	in.remove(t, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: naming.LeaseOperator}})
}

// output collects a log.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// get returns what keeps a URL from answering 200.
func get(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return ""
}

// freeAddress is an address of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
