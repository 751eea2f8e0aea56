package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

// operator is the operator's process.
type operator struct {
	binary  string
	webhook string // host:port
	health  string // host:port
	log     string // file
	process *exec.Cmd
	done    chan struct{}
	err     error // after done
}

func (o *operator) start(dir, config, kubeconfig string) error {
	host, port, err := net.SplitHostPort(o.webhook)
	if err != nil {
		return err
	}
	o.log = filepath.Join(dir, "operator.log")
	log, err := os.Create(o.log)
	if err != nil {
		return err
	}
	defer log.Close()
	o.process = exec.Command(o.binary,
		"--config="+config,
		"--kubeconfig="+kubeconfig,
		"--namespace="+naming.DefaultNamespace,
		"--webhook-host="+host, "--webhook-port="+port,
		"--health-address="+o.health,
		"--metrics-address=0",
	)
	o.process.Stdout, o.process.Stderr = log, log
	o.process.SysProcAttr = apart()
	if err := o.process.Start(); err != nil {
		return fmt.Errorf("%w: build it with make build", err)
	}
	o.done = make(chan struct{})
	go func() {
		o.err = o.process.Wait()
		close(o.done)
	}()
	return nil
}

// exited is an error, with the end of the log, when the process is no more.
func (o *operator) exited() error {
	select {
	case <-o.done:
		return fmt.Errorf("the operator ended: %w\n%s", o.err, o.tail())
	default:
		return nil
	}
}

// tail is the end of the log, without the probes of this program.
func (o *operator) tail() string {
	const enough = 20
	text, err := os.ReadFile(o.log)
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return strings.Contains(line, "healthz") })
	return strings.Join(lines[max(0, len(lines)-enough):], "\n")
}

// ready asks as kubelet would.
func (o *operator) ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.health+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func (o *operator) stop() {
	if o.done == nil {
		return
	}
	_ = o.process.Process.Signal(syscall.SIGTERM)
	<-o.done
}
