package live

import (
	"context"
	"os/exec"
	"strings"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// cluster sees to a cluster, and to the programs that the rest needs.
func (d *Demo) cluster(ctx context.Context) error {
	begin := d.startLocal
	if d.foreign {
		begin = d.useForeign
	}
	if err := begin(ctx); err != nil {
		return err
	}
	return d.show(ctx, "kubectl get nodes")
}

func (d *Demo) startLocal(ctx context.Context) error {
	if !built() {
		d.report.Say("The first time, all of it is built from source: about 20 minutes on two cores. After that it takes a minute.")
	}
	if err := d.show(ctx, "make cluster-up cluster-load helm build"+d.which); err != nil {
		return err
	}
	return d.prepare()
}

// built says whether the programs of the cluster are in the cache.
func built() bool {
	for _, find := range []func() (string, error){binaries.Find, binaries.FindNode, binaries.FindHelm} {
		if _, err := find(); err != nil {
			return false
		}
	}
	return true
}

// useForeign starts nothing: the cluster runs, and has the images or not.
func (d *Demo) useForeign(ctx context.Context) error {
	d.report.Say("The one that KUBECONFIG names. Its nodes must have Warifu's images: make cluster-load says how they get there.")
	if err := d.prepare(); err != nil {
		return err
	}
	goals := []string{"make", "build"}
	for _, needed := range []struct{ program, goal string }{{"kubectl", "binaries"}, {"helm", "helm"}} {
		if _, err := exec.LookPath(needed.program); err != nil {
			goals = append(goals, needed.goal)
		}
	}
	if err := d.show(ctx, strings.Join(goals, " ")); err != nil {
		return err
	}
	return spareStrangers(ctx)
}
