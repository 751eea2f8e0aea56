package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// handshake lets two programs meet, then strangers try.
func (d *demo) handshake(ctx context.Context) error {
	app, err := d.build(ctx, "app", "./hack/demo/controlplane/app")
	if err != nil {
		return err
	}
	server, err := newContainer(ctx, d.cluster.Client, client.ObjectKey{Namespace: shop, Name: orders}, d.dir)
	if err != nil {
		return err
	}
	caller, err := newContainer(ctx, d.cluster.Client, client.ObjectKey{Namespace: shop, Name: frontend}, d.dir)
	if err != nil {
		return err
	}
	d.report.Say("The program hack/demo/controlplane/app runs twice, as server in the pod %s and as client in the pod %s.", orders, frontend)
	d.report.Say("It gets what kubelet would give to the containers: the files and the environment that were injected, nothing else.")
	running, err := startServer(ctx, server, app)
	if err != nil {
		return err
	}
	call := func(expected string) (string, error) {
		out, err := caller.command(ctx, app, "call", running.address, expected).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}

	said, err := call(idOf(orders).String())
	heard := running.said()
	for line := range strings.Lines(said) {
		d.report.Line("frontend: " + strings.TrimSpace(line))
	}
	d.report.Line("orders:   " + heard)
	d.report.Check(err == nil && strings.HasPrefix(said, "TLS 1.3 with "+idOf(orders).String()+"\n"),
		"frontend got TLS 1.3 with %s", idOf(orders))
	d.report.Check(heard == "accepted: "+idOf(frontend).String(), "orders accepted %s", idOf(frontend))

	said, err = call(idOf(payments).String())
	running.said()
	d.report.Check(err != nil, "frontend, when it insists on payments, hangs up: %s", said)
	d.refused(running, "a client without a certificate", callAnonymously(ctx, running.address))
	d.refused(running, "a client without TLS", callInPlaintext(ctx, running.address))
	d.refused(running, "a client that got that name from another CA", callAsImpostor(ctx, running.address, idOf(frontend)))
	return nil
}

// refused is about a connection that must not have worked: the server must be the one who refused it.
func (d *demo) refused(server *server, who string, err error) {
	heard := server.said()
	d.report.Check(err != nil && strings.HasPrefix(heard, "refused:"), "%s: %s", who, heard)
}

// server is the running program.
type server struct {
	address string
	lines   chan string // one about each connection
}

// startServer runs the program in the container until ctx ends.
func startServer(ctx context.Context, c *container, program string) (*server, error) {
	cmd := c.command(ctx, program, "serve")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return nil, fmt.Errorf("the server did not start: %w: %s", cmd.Wait(), complaint.String())
	}
	s := &server{address: lines.Text(), lines: make(chan string)}
	go func() {
		for lines.Scan() {
			select {
			case s.lines <- lines.Text():
			case <-ctx.Done():
			}
		}
		_ = cmd.Wait()
	}()
	return s, nil
}

// said is what the server says about the last connection.
func (s *server) said() string {
	select {
	case line := <-s.lines:
		return line
	case <-time.After(10 * time.Second):
		return "says nothing"
	}
}
