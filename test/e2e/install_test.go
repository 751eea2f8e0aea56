package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

const (
	release = "warifu"
	// lifetime of workload certificates: so short that every one that the tests begin with has expired before they end.
	lifetime = "6m"
	// patience is how long anything may take that takes seconds on a machine with nothing else to do.
	patience = 5 * time.Minute
)

// prepare installs Warifu, and puts the load on it that no test may disturb.
func prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if world, err = findTools(); err != nil {
		return err
	}
	if err := cleanUp(ctx); err != nil {
		return err
	}
	began := time.Now()
	if _, err := world.run(ctx, "", world.helm, helmArgs("install")...); err != nil {
		return err
	}
	fmt.Printf("Installed in %.1f s\n", time.Since(began).Seconds())
	// The operator makes its TrustDomain on its first start.
	if err := world.until(ctx, func() error { return setLifetime(ctx, lifetime) }); err != nil {
		return err
	}
	if _, err := world.kubectl(ctx, "", "wait", "--for=condition=Ready", "trustdomain/cluster.local", "--timeout=60s"); err != nil {
		return err
	}
	return startLoad(ctx)
}

// setLifetime sets how long workload certificates live from now on.
func setLifetime(ctx context.Context, lifetime string) error {
	_, err := world.kubectl(ctx, "", "patch", "trustdomain", "cluster.local", "--type=merge",
		`--patch={"spec":{"workloadCertificates":{"lifetime":"`+lifetime+`"}}}`)
	return err
}

func helmArgs(verb string, args ...string) []string {
	return append([]string{
		verb, release, filepath.Join(world.root, "charts", "warifu"), "--namespace", naming.DefaultNamespace, "--create-namespace",
		"--set", "extraArgs={--allow-short-lifetimes},certManager.enabled=true", "--wait", "--timeout", "2m",
	}, args...)
}

// cleanUp removes what an earlier run left: its release, and its namespaces.
func cleanUp(ctx context.Context) error {
	if _, err := world.kubectl(ctx, "", "delete", "namespace", "--selector="+labelOurs, "--wait=true", "--ignore-not-found"); err != nil {
		return err
	}
	_, err := world.run(ctx, "", world.helm, "uninstall", release, "--namespace", naming.DefaultNamespace, "--ignore-not-found", "--wait")
	return err
}

// finish leaves the cluster as it was when all is well, and as it is for whoever wants to see what is not.
func finish(code int) error {
	if code != 0 {
		fmt.Printf("The cluster is as the tests left it. See %s\n", world.results)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := os.RemoveAll(world.results); err != nil {
		return err
	}
	// The TrustDomain stays for the next release, which need not accept so short a life.
	if err := setLifetime(ctx, "24h"); err != nil {
		return err
	}
	return cleanUp(ctx)
}

// until repeats an attempt, less and less often, until it succeeds, and returns its last error with that of the context. Most
// attempts start a kubectl, and nodes, pods and tests share what there is of CPUs.
func (t tools) until(ctx context.Context, attempt func() error) error {
	const least, most = 300 * time.Millisecond, 2 * time.Second
	for pause := least; ; pause = min(2*pause, most) {
		err := attempt()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not in time: %w", err)
		case <-time.After(pause):
		}
	}
}
