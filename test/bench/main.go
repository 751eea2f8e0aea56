// Command bench measures the operator on a real API server, each time against something else of the same run on the same
// machine: a bare loop that creates the same Secrets, a webhook that does nothing. Numbers never make it fail; it says where
// they stand.
//
// As "bench operator" it is the operator itself, in a process of its own, with a page that tells what it did and how much
// memory it holds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// options say how much to measure.
type options struct {
	identities int
	pods       int
	rate       int
	leaves     int
	profiles   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == operatorCommand {
		return operate(ctx, args[1:])
	}
	log.SetLogger(logr.Discard())
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.identities, "identities", 10000, "ServiceAccounts to issue identities for, and pods beside them; a multiple of 100")
	flags.IntVar(&o.pods, "pods", 2000, "pods to create for the latency of admission, on each side; a multiple of -rate")
	flags.IntVar(&o.rate, "rate", 100, "pods a second while the latency of admission is measured")
	flags.IntVar(&o.leaves, "leaves", 500, "identities for cert-manager's leaf mode to issue, beside as many by the built-in issuer; a multiple of 100, 0 leaves it out")
	flags.StringVar(&o.profiles, "profiles", "", "folder in which to keep CPU and heap profiles of the operator, of each measurement; they cost a little of what is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.identities < perNamespace || o.identities%perNamespace != 0 || o.leaves%perNamespace != 0 || o.rate < 1 || o.pods < o.rate || o.pods%o.rate != 0 {
		return fmt.Errorf("-identities and -leaves must be multiples of %d, and -pods one of -rate", perNamespace)
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return fmt.Errorf("-profiles: %w", err)
		}
	}
	return measure(ctx, o)
}

// step is one measurement, or what comes before it.
type step struct {
	what string
	do   func(context.Context) error
}

// measure runs all measurements and prints the table, also of what was measured before one failed.
func measure(ctx context.Context, o options) error {
	r := &report{}
	defer r.print(os.Stdout)
	if err := r.measure(ctx, o, nil, (*measuring).main); err != nil || o.leaves == 0 {
		return err
	}
	withCertManager := map[string]any{"certManager": map[string]any{"enabled": true}}
	return r.measure(ctx, o, withCertManager, (*measuring).certManager)
}

// measure takes steps on a control plane of their own, with the chart's values.
func (r *report) measure(ctx context.Context, o options, values map[string]any, steps func(*measuring) []step) error {
	m, err := start(ctx, o, values)
	if err != nil {
		return err
	}
	defer m.stop()
	m.report = r
	for _, step := range steps(m) {
		fmt.Fprintf(os.Stderr, "%s ...\n", step.what)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func (m *measuring) main() []step {
	return []step{
		{"an idle operator", m.idle},
		{"ServiceAccounts, while no operator runs", m.prepare},
		{"half of the Secrets, by a bare loop", m.bare},
		{"identities, by the operator from cold", m.profiled("issue", m.issue)},
		{"the other half of the Secrets, by a bare loop", m.bareAgain},
		{"a pod for each identity", m.fill},
		{"a restart", m.profiled("restart", m.restart)},
		{"pods through admission", m.profiled("admit", m.admit)},
	}
}
