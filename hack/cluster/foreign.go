package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// foreign is a cluster that somebody else runs, and that KUBECONFIG names.
type foreign struct {
	kubeconfig, root string
	steps            *steps
}

func (f foreign) run(ctx context.Context, command string) error {
	switch command {
	case "up", "status":
		fmt.Printf("KUBECONFIG is set: the cluster of %s is used as it is. Unset it for a local one.\n", f.kubeconfig)
		return f.show(ctx)
	case "load":
		return f.images(ctx)
	case "down":
		fmt.Printf("KUBECONFIG is set: the cluster of %s is not this program's to end. Unset it for the local one.\n", f.kubeconfig)
		return nil
	case "kubeconfig":
		_, err := fmt.Println(f.kubeconfig)
		return err
	}
	return errUsage
}

func (f foreign) show(ctx context.Context) error {
	nodes := exec.CommandContext(ctx, "kubectl", "get", "nodes", "--output=wide")
	nodes.Stdout, nodes.Stderr = os.Stdout, os.Stderr
	err := nodes.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("there is no kubectl in PATH; make binaries builds one")
	}
	return err
}

// images makes the archives: how they get into the nodes is different for every kind of cluster.
func (f foreign) images(ctx context.Context) error {
	images, err := buildImages(ctx, f.steps, f.root, runtime.GOARCH)
	if err != nil {
		return err
	}
	fmt.Printf("\nThese are %s:\n\n", names(images))
	for _, image := range images {
		fmt.Println("  " + image.archive)
	}
	fmt.Print(`
Get each ARCHIVE into the nodes of your cluster with the one of these that fits:

  kind load image-archive ARCHIVE
  k3s ctr images import ARCHIVE                  (on every node)
  minikube image load ARCHIVE
  ctr --namespace k8s.io images import ARCHIVE   (on every node with containerd)

For nodes of another architecture, or a registry of your own: make images, and docs/images.md.
`)
	return nil
}
