// Command mutants checks the tests: it breaks the compiler, the engine, the issuer and the injector in many small ways, one
// at a time, and wants the tests of the package to notice each. The ways are data, in mutants.yaml. The source tree is not
// touched: the go command is given the changed file by -overlay.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

func main() {
	only := flag.String("only", "", "try only the mutants of files, or noticed by tests, whose path contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	mutants, err := load(filepath.Join(root, "hack", "mutants", "mutants.yaml"))
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.Contains(m.File, only) && !strings.Contains(m.Tests, only) })
	temp, err := os.MkdirTemp("", "warifu-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	t := trial{root: root, temp: temp}
	if err := t.healthy(ctx, mutants); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tMUTANT\tCAUGHT BY")
	var bad []string
	for i, m := range mutants {
		started := time.Now()
		caught, err := t.try(ctx, m)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			caught = "ERROR: " + err.Error()
			bad = append(bad, m.About)
		case caught == "":
			caught = "NOBODY"
			bad = append(bad, m.About)
		}
		fmt.Fprintf(os.Stderr, "%d/%d %s: %s (%s)\n", i+1, len(mutants), m.About, caught, time.Since(started).Round(100*time.Millisecond))
		fmt.Fprintf(table, "%s\t%s\t%s\n", m.File, m.About, caught)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d mutants survived or could not be tried: %s", len(bad), len(mutants), strings.Join(bad, "; "))
	}
	fmt.Printf("\nAll %d mutants were caught.\n", len(mutants))
	return nil
}
