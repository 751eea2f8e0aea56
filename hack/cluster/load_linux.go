package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// loadBase gives the nodes the images without which no pod starts, and none finds another.
func (c *cluster) loadBase(ctx context.Context, nodes []plan.Node) error {
	args := []string{"pack", "-out", string(c.folder)}
	for name, program := range map[string]string{plan.ImagePause: binaries.Pause, plan.ImageCoreDNS: binaries.CoreDNS} {
		args = append(args, name+"="+filepath.Join(c.programs.Node, program))
	}
	images, err := makeImages(ctx, c.root, args...)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		for _, image := range images {
			err := until(ctx, func(ctx context.Context) error { return c.importInto(ctx, node, image.archive) })
			if err != nil {
				return c.logs(err, node, binaries.Containerd)
			}
		}
	}
	return nil
}

// load builds Warifu's images and loads them into every node, and the archives of other images.
func (c *cluster) load(ctx context.Context, archives []string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	nodes, err := c.members()
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		return errors.New("there is no cluster; make cluster-up starts one")
	}
	if c.programs, err = plan.FindPrograms(); err != nil {
		return err
	}
	own, err := buildImages(ctx, c.steps, c.root, runtime.GOARCH)
	if err != nil {
		return err
	}
	var all []string
	for _, image := range own {
		all = append(all, image.archive)
	}
	for _, archive := range append(all, archives...) {
		for _, node := range nodes {
			err := c.steps.do(fmt.Sprintf("Loading %s into %s", filepath.Base(archive), node.Name), func() error {
				return c.importInto(ctx, node.Node, archive)
			})
			if err != nil {
				return err
			}
		}
	}
	c.steps.done(fmt.Sprintf("Loaded %s, which the chart uses by default. Pods that run keep what they have: kubectl rollout restart", names(own)))
	return nil
}

// importInto loads an archive into a node.
func (c *cluster) importInto(ctx context.Context, node plan.Node, archive string) error {
	_, err := execute(ctx, nil, filepath.Join(c.programs.Node, binaries.Ctr), "--address="+c.folder.Containerd(node.Name),
		"--namespace=k8s.io", "images", "import", archive)
	return err
}
