package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// parts are the modules that the programs of a node come from, and where in them.
var parts = []struct {
	build, module string
	programs      map[string]string
}{
	{"cni", "github.com/containernetworking/plugins", map[string]string{
		binaries.CNILoop:    "/plugins/main/loopback",
		binaries.CNIRouted:  "/plugins/main/ptp",
		binaries.CNIAddress: "/plugins/ipam/host-local",
	}},
	{"containerd", "github.com/containerd/containerd/v2", map[string]string{
		binaries.Containerd: "/cmd/containerd",
		binaries.Shim:       "/cmd/containerd-shim-runc-v2",
		binaries.Ctr:        "/cmd/ctr",
	}},
	{"kubernetes", "k8s.io/kubernetes", map[string]string{
		binaries.KubeProxy: "/cmd/kube-proxy",
		binaries.Scheduler: "/cmd/kube-scheduler",
		binaries.Kubelet:   "/cmd/kubelet",
	}},
}

// runNode builds what a node of the local cluster runs besides the control plane.
func runNode(ctx context.Context, printOnly bool) error {
	folder, err := binaries.NodeFolder()
	if err != nil {
		return err
	}
	if printOnly {
		_, err := fmt.Println(folder)
		return err
	}
	missing := binaries.MissingNode(folder)
	if len(missing) == 0 {
		return nil
	}
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	all, err := nodeTargets(root)
	if err != nil {
		return err
	}
	const announcement = "Building the programs of a node into %s\nThis happens once and takes about six minutes on two cores.\n"
	return buildThese(ctx, fmt.Sprintf(announcement, folder), folder, all, missing)
}

// nodeTargets are in the order of binaries.NodePrograms.
func nodeTargets(root string) ([]target, error) {
	at := func(build string) string { return filepath.Join(root, "hack", "binaries", build) }
	version, err := binaries.Version(root, "coredns", "github.com/coredns/coredns")
	if err != nil {
		return nil, err
	}
	byName := map[string]target{
		binaries.Pause:   {dir: root, path: "./hack/binaries/pause"},
		binaries.CoreDNS: {dir: at("coredns"), path: ".", version: version},
	}
	for _, part := range parts {
		version, err := binaries.Version(root, part.build, part.module)
		if err != nil {
			return nil, err
		}
		for name, path := range part.programs {
			t := target{dir: at(part.build), path: part.module + path, version: version}
			switch part.build {
			case "kubernetes":
				t.ldflags = versionFlags(version)
			case "containerd":
				t.ldflags = []string{"-X", part.module + "/version.Version=" + version}
			}
			byName[name] = t
		}
	}
	var all []target
	for _, name := range binaries.NodePrograms() {
		t, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("nothing says where %s comes from", name)
		}
		t.name = name
		all = append(all, t)
	}
	return all, nil
}

// buildThese builds the missing ones of the targets.
func buildThese(ctx context.Context, announcement, folder string, all []target, missing []string) error {
	all = slices.DeleteFunc(all, func(t target) bool { return !slices.Contains(missing, t.name) })
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	fmt.Fprint(os.Stderr, announcement)
	for i, t := range all {
		t.label = fmt.Sprintf("[%d/%d] %s %s", i+1, len(all), t.name, t.version)
		if err := build(ctx, t, folder); err != nil {
			return fmt.Errorf("building %s: %w", t.name, err)
		}
	}
	return nil
}
