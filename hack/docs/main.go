// Command docs writes the pages of docs/ that are made from the code: docs/reasons.md from the doc comments of the constants
// that stand in events, conditions, findings and metrics, and docs/metrics.md from the metrics themselves. Neither page is
// edited by hand. make generate runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hack/docs:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	pages, err := generate(root)
	if err != nil {
		return err
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(root, name), []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate makes the pages of the source tree at root, by file name.
func generate(root string) (map[string]string, error) {
	packages, err := parse(root)
	if err != nil {
		return nil, err
	}
	reasons, err := reasonsPage(packages)
	if err != nil {
		return nil, err
	}
	found, err := findMetrics(packages)
	if err != nil {
		return nil, err
	}
	return map[string]string{"docs/reasons.md": reasons, "docs/metrics.md": metricsPage(found)}, nil
}
