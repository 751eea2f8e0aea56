package live

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// labelled are the namespaces of the walkthrough: others of the same names are not the demo's to delete.
const labelled = "--selector=app.kubernetes.io/part-of=warifu-walkthrough"

// Down ends the local cluster; on one that somebody else runs it removes what the demo made.
func (d *Demo) Down(ctx context.Context) error {
	if !d.foreign {
		return passOn(ctx, "make cluster-down"+d.which)
	}
	if err := d.prepare(); err != nil {
		return err
	}
	if err := d.removePods(ctx); err != nil {
		return err
	}
	there, err := d.installed(ctx)
	if err != nil {
		return err
	}
	switch {
	case !there.found:
		d.report.Say("Warifu is not installed.")
	case there.stamp == "":
		d.report.Say("The release is not the demo's; it stays.")
	default:
		if err := d.show(ctx, uninstall); err != nil {
			return err
		}
		d.report.Say("The kinds and the CA stay; docs/operations.md says how they go.")
	}
	return nil
}

func (d *Demo) removePods(ctx context.Context) error {
	return d.show(ctx, "kubectl delete namespaces "+labelled+" --timeout=2m")
}

// spareStrangers is an error where a namespace has a name of the walkthrough's and is not of it.
func spareStrangers(ctx context.Context) error {
	out, err := read(ctx, "kubectl get namespaces shop street --ignore-not-found --output json")
	if err != nil || strings.TrimSpace(out) == "" {
		return err
	}
	type object struct {
		Metadata struct {
			Name   string
			Labels map[string]string
		}
	}
	var list struct{ Items []object }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return fmt.Errorf("kubectl get namespaces says %q: %w", out, err)
	}
	for _, namespace := range list.Items {
		if namespace.Metadata.Labels["app.kubernetes.io/part-of"] != "warifu-walkthrough" {
			return fmt.Errorf("the cluster has a namespace %s that is not the demo's", namespace.Metadata.Name)
		}
	}
	return nil
}
