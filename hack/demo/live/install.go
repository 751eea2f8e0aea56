package live

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/internal/naming"
)

const (
	release = "warifu"
	// stamp is a value of the chart that marks the demo's own release, and that changes with the images.
	stamp = "podAnnotations.demo"
)

// install installs the chart, or brings the demo's own release up to date.
func (d *Demo) install(ctx context.Context) error {
	there, err := d.installed(ctx)
	if err != nil {
		return err
	}
	if there.found && there.stamp == "" {
		d.report.Say("There is a release already that is not the demo's. It is used as it is.")
	} else if err := d.upgrade(ctx, there); err != nil {
		return err
	}
	if err := d.show(ctx, "kubectl get pods -n "+naming.DefaultNamespace); err != nil {
		return err
	}
	err = d.show(ctx, "kubectl wait --for=condition=Ready trustdomain/cluster.local --timeout=60s")
	d.report.Check(err == nil, "the operator is ready and has a CA")
	return err
}

func (d *Demo) upgrade(ctx context.Context, there state) error {
	if strings.HasPrefix(there.status, "pending") || there.status == "uninstalling" {
		d.report.Say("Somebody interrupted Helm; it begins again.")
		if err := d.show(ctx, uninstall); err != nil {
			return err
		}
	}
	images, err := digest("bin/cluster/*.tar")
	if err != nil {
		return err
	}
	if there.found && there.stamp != images {
		d.report.Say("The images are new: pods that have the old ones are made again.")
		if err := d.removePods(ctx); err != nil {
			return err
		}
	}
	err = d.show(ctx, "helm upgrade --install "+release+" charts/warifu --namespace "+naming.DefaultNamespace+
		" --create-namespace --wait --timeout 3m --set "+stamp+"="+images)
	if err != nil {
		d.report.Say("%s", answer(ctx, "kubectl get pods -n "+naming.DefaultNamespace))
		return fmt.Errorf("%w (are the images on every node? make cluster-load)", err)
	}
	return nil
}

const uninstall = "helm uninstall " + release + " --namespace " + naming.DefaultNamespace + " --wait"

// state is what there is of a release.
type state struct {
	found  bool
	status string
	stamp  string // empty where the release is not the demo's
}

func (d *Demo) installed(ctx context.Context) (state, error) {
	out, err := read(ctx, "helm list --all-namespaces --output json --filter ^"+release+"$")
	if err != nil {
		return state{}, err
	}
	var releases []struct{ Namespace, Status string }
	if err := json.Unmarshal([]byte(out), &releases); err != nil {
		return state{}, fmt.Errorf("helm list says %q: %w", out, err)
	}
	if len(releases) == 0 {
		return state{}, nil
	}
	there := state{found: true, status: releases[0].Status}
	if releases[0].Namespace != naming.DefaultNamespace {
		return there, nil
	}
	out, err = read(ctx, "helm get values "+release+" --namespace "+naming.DefaultNamespace+" --output json")
	if err != nil {
		return state{}, err
	}
	var values struct{ PodAnnotations struct{ Demo string } }
	if err := json.Unmarshal([]byte(out), &values); err != nil {
		return state{}, fmt.Errorf("helm get values says %q: %w", out, err)
	}
	there.stamp = values.PodAnnotations.Demo
	return there, nil
}

// digest is short, and no number.
func digest(pattern string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	all := sha256.New()
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(all, file)
		_ = file.Close()
		if err != nil {
			return "", fmt.Errorf("reading an image: %w", err)
		}
	}
	return fmt.Sprintf("images-%x", all.Sum(nil)[:4]), nil
}
