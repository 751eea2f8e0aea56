// Command bench runs all benchmarks and says where Warifu stands against the limits it has set itself. Times are of this
// machine at this moment, so nothing fails here; ratios within one run are what to look at.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	packages, err := withBenchmarks(root)
	if err != nil {
		return err
	}
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-p", "1"}, packages...)
	test := exec.CommandContext(ctx, "go", args...)
	test.Dir, test.Stderr = root, os.Stderr
	output, err := test.StdoutPipe()
	if err != nil {
		return err
	}
	if err := test.Start(); err != nil {
		return err
	}
	results, err := read(output, os.Stderr)
	if err != nil {
		return err
	}
	if err := test.Wait(); err != nil {
		return err
	}
	return print(os.Stdout, results)
}

// withBenchmarks lists the packages that have benchmarks, so that the others are not built.
func withBenchmarks(root string) ([]string, error) {
	var packages []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(source), "\nfunc Benchmark") {
			folder, _ := filepath.Rel(root, filepath.Dir(path))
			packages = append(packages, "./"+folder)
		}
		return err
	})
	return slices.Compact(packages), err
}

// read reads the output of go test -bench and says which package runs.
func read(output io.Reader, progress io.Writer) ([]result, error) {
	var results []result
	var pkg string
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = name[strings.LastIndex(name, "/")+1:]
			fmt.Fprintf(progress, "%s ...\n", name)
		} else if r, ok := parse(pkg, line); ok {
			results = append(results, r)
		} else if strings.HasPrefix(line, "--- FAIL") || strings.HasPrefix(line, "    ") {
			fmt.Fprintln(progress, line)
		}
	}
	return results, lines.Err()
}

func print(out io.Writer, results []result) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "BENCHMARK\tTIME\tMEMORY\tALLOCATIONS")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.name, duration(r.time), bytes(r.bytes), r.allocations)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(table, "\nLIMIT\tIS\tAT MOST\tSTANDS")
	for _, l := range limits {
		is, most, verdict := l.stand(results)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", l.what, is, most, verdict)
	}
	return table.Flush()
}
