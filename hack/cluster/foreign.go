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
	archive, names, err := buildImages(ctx, f.steps, f.root, runtime.GOARCH)
	if err != nil {
		return err
	}
	fmt.Printf(`
%s has %v. Get it into the nodes of your cluster with the one of these that fits:

  kind load image-archive %[1]s
  k3s ctr images import %[1]s                  (on every node)
  minikube image load %[1]s
  ctr --namespace k8s.io images import %[1]s   (on every node with containerd)

or docker load it, tag it for a registry of your own, push it, and install the chart with
--set image.repository=REGISTRY/operator,proxy.image.repository=REGISTRY/proxy. For nodes of another architecture:
GOARCH=arm64 make cluster-load.
`, archive, names)
	return nil
}
