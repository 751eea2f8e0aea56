package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// operator is a running operator, in a process of its own: its memory and its garbage are not those of the measuring.
type operator struct {
	process *exec.Cmd
	done    chan error
	health  string
	page    string
	log     string
	started time.Time
	ended   bool
}

// launch starts an operator and waits until it is ready.
func (m *measuring) launch(ctx context.Context) (*operator, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	page, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	o := &operator{health: m.health, page: page, log: filepath.Join(m.dir, "operator.log"), done: make(chan error, 1), started: time.Now()}
	log, err := os.Create(o.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	o.process = exec.CommandContext(ctx, program, operatorCommand, m.config, m.kubeconfig, page)
	o.process.Stdout, o.process.Stderr = log, log
	o.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := o.process.Start(); err != nil {
		return nil, err
	}
	m.operator = o
	go func() { o.done <- o.process.Wait() }()
	if err := m.until(ctx, "the operator is profiled", m.beginProfile); err != nil {
		return nil, err
	}
	return o, m.until(ctx, "the operator is ready", func(ctx context.Context) error {
		_, err := get(ctx, "http://"+o.health+"/readyz")
		return err
	})
}

// stats asks the operator.
func (o *operator) stats(ctx context.Context, questions ...string) (stats, error) {
	url := "http://" + o.page + "/stats?" + strings.Join(questions, "&")
	var s stats
	body, err := get(ctx, url)
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}

// end stops the operator as Kubernetes does.
func (o *operator) end() error {
	o.ended = true
	if err := o.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-o.done; err != nil {
		return fmt.Errorf("the operator ended: %w; its log is in %s", err, o.log)
	}
	return nil
}

// until waits until something is so; the operator must be running meanwhile.
func (m *measuring) until(ctx context.Context, what string, so func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := so(ctx)
		if err == nil {
			return nil
		}
		select {
		case ended := <-m.operator.done:
			m.operator.done <- ended
			log, _ := os.ReadFile(m.operator.log)
			return fmt.Errorf("waiting until %s: the operator ended: %w\n…%s", what, ended, log[max(0, len(log)-2000):])
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// patience is how long anything may take, on a slow machine with the largest numbers.
const patience = 15 * time.Minute

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	return read(response)
}
