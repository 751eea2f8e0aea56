// Command binaries builds the Kubernetes control plane for tests and the demo, from the Go modules pinned next to it, into a
// folder of the user's cache that is named after the versions. What is already there is not built again, and what a folder
// named by KUBEBUILDER_ASSETS holds is used.
//
//	go run ./hack/binaries                  builds what is missing
//	go run ./hack/binaries --print          prints the folder
//	go run ./hack/binaries --cert-manager   builds cert-manager's controllers instead, into a folder of their own
//	go run ./hack/binaries --helm           builds Helm instead, into a folder of its own
//	go run ./hack/binaries --node           builds what a node of the local cluster runs instead, into a folder of its own
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

func main() {
	printOnly := flag.Bool("print", false, "print the folder of the binaries and build nothing")
	certManager := flag.Bool("cert-manager", false, "build cert-manager's controllers instead")
	helm := flag.Bool("helm", false, "build Helm instead")
	node := flag.Bool("node", false, "build what a node of the local cluster runs instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	perform := run
	switch {
	case *certManager:
		perform = runCertManager
	case *helm:
		perform = runHelm
	case *node:
		perform = runNode
	}
	err := perform(ctx, *printOnly)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "binaries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, printOnly bool) error {
	if !printOnly {
		return provide(ctx)
	}
	folder, err := place()
	if err != nil {
		return err
	}
	_, err = fmt.Println(folder)
	return err
}

func runCertManager(ctx context.Context, printOnly bool) error {
	folder, err := binaries.CertManagerFolder()
	if err != nil {
		return err
	}
	if printOnly {
		_, err := fmt.Println(folder)
		return err
	}
	if binaries.HasCertManager(folder) {
		return nil
	}
	return buildCertManager(ctx, folder)
}

func buildAll(ctx context.Context, folder string, missing []string) error {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	all, err := targets(root)
	if err != nil {
		return err
	}
	const announcement = "Building the Kubernetes control plane into %s\nThis happens once and takes about ten minutes on two cores.\n"
	return buildThese(ctx, fmt.Sprintf(announcement, folder), folder, all, missing)
}

// target is one program to build.
type target struct {
	name    string // of the program
	version string
	dir     string // of the module to build in
	path    string // import path of its package main
	ldflags []string
	label   string // how progress lines begin
}

// targets lists the programs, the quickest first.
func targets(root string) ([]target, error) {
	etcd := target{name: binaries.Etcd, dir: filepath.Join(root, "hack", "binaries", "etcd"), path: "go.etcd.io/etcd/server/v3"}
	var err error
	if etcd.version, err = binaries.Version(root, "etcd", etcd.path); err != nil {
		return nil, err
	}
	version, err := binaries.Version(root, "kubernetes", "k8s.io/kubernetes")
	if err != nil {
		return nil, err
	}
	all := []target{etcd}
	for _, name := range []string{binaries.APIServer, binaries.ControllerManager, binaries.Kubectl} {
		all = append(all, target{
			name:    name,
			version: version,
			dir:     filepath.Join(root, "hack", "binaries", "kubernetes"),
			path:    "k8s.io/kubernetes/cmd/" + name,
			ldflags: versionFlags(version),
		})
	}
	return all, nil
}

// versionFlags make the programs report their version; without them the API server is v0.0.0 and clients that look at it
// misbehave.
func versionFlags(version string) []string {
	const pkg = "k8s.io/component-base/version."
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	flags := []string{"-X", pkg + "gitVersion=" + version, "-X", pkg + "gitTreeState=clean"}
	if len(parts) == 3 {
		flags = append(flags, "-X", pkg+"gitMajor="+parts[0], "-X", pkg+"gitMinor="+parts[1])
	}
	return flags
}
