package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// envLoad is for how long the load goes on at least, as in 20m; until the first certificates have expired it does in any case.
const envLoad = "WARIFU_E2E_LOAD"

// nsLoad is the namespace with the load that runs while the tests do.
const nsLoad = "e2e-load"

func startLoad(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(world.root, "test", "e2e", "testdata", "load.yaml"))
	if err != nil {
		return err
	}
	node, err := world.kubectl(ctx, "", "get", "nodes", "--output=jsonpath={.items[0].metadata.name}")
	if err != nil {
		return err
	}
	manifests := strings.NewReplacer("NAMESPACE", nsLoad, "NODE", node).Replace(string(text))
	in := "--namespace=" + nsLoad
	if _, err := world.kubectl(ctx, manifests, in, "apply", "--filename=-"); err != nil {
		return err
	}
	for _, name := range []string{"web", "client"} {
		if _, err := world.kubectl(ctx, "", in, "rollout", "status", "deployment/"+name, "--timeout=2m"); err != nil {
			return fmt.Errorf("%w; see %s", err, bundle(ctx, "load", nsLoad))
		}
	}
	chain, err := world.chainOf(ctx, nsLoad, "default")
	if err != nil {
		return err
	}
	world.firstExpiry, world.loadUntil = chain[0].NotAfter, chain[0].NotAfter
	if text := os.Getenv(envLoad); text != "" {
		least, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s: %w", envLoad, err)
		}
		if end := time.Now().Add(least); end.After(world.loadUntil) {
			world.loadUntil = end
		}
	}
	return nil
}

// count is what a client under load has counted.
type count struct{ requests, failed int }

// readCount reads the last count in a client's log.
func readCount(log string) (count, error) {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for _, line := range slices.Backward(lines) {
		var c count
		if n, _ := fmt.Sscanf(line, "%d requests, %d failed", &c.requests, &c.failed); n == 2 {
			return c, nil
		}
	}
	return count{}, fmt.Errorf("no count in the log %q", log)
}

// loadOf reads the count of a client.
func (t tools) loadOf(ctx context.Context, namespace, client string) (count, error) {
	out, err := t.kubectl(ctx, "", "--namespace="+namespace, "logs", client, "--container=app", "--tail=200")
	if err != nil {
		return count{}, err
	}
	return readCount(out)
}

// noneFailed fails the test when a request of a client under load failed, or when it asked nothing; it shows what failed.
func (p *place) noneFailed(client string) {
	p.t.Helper()
	got, err := world.loadOf(p.t.Context(), p.name, client)
	if err != nil {
		p.t.Fatal(err)
	}
	if got.failed == 0 && got.requests > 0 {
		p.t.Logf("%s of %s: %d requests, none failed", client, p.name, got.requests)
		return
	}
	log := p.kubectl("logs", client, "--container=app")
	var failures []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, " failed: ") && len(failures) < 20 {
			failures = append(failures, line)
		}
	}
	p.t.Errorf("%d of %d requests failed:\n%s", got.failed, got.requests, strings.Join(failures, ""))
}
