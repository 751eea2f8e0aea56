package binaries

import (
	"fmt"
	"strings"
)

// The programs of a node of the local cluster (hack/cluster), besides the control plane's.
const (
	Kubelet    = "kubelet"
	KubeProxy  = "kube-proxy"
	Scheduler  = "kube-scheduler"
	Containerd = "containerd"
	Shim       = "containerd-shim-runc-v2"
	Ctr        = "ctr"
	CNIRouted  = "ptp"
	CNILoop    = "loopback"
	CNIAddress = "host-local"
	CoreDNS    = "coredns"
	Pause      = "pause"
)

// NodePrograms are the names of all of them, the quickest to build first.
func NodePrograms() []string {
	return []string{Pause, CNILoop, CNIRouted, CNIAddress, Containerd, Shim, Ctr, CoreDNS, KubeProxy, Scheduler, Kubelet}
}

// FindNode returns the folder of the node's programs after checking that all of them are there.
func FindNode() (string, error) {
	folder, err := NodeFolder()
	if err != nil {
		return "", err
	}
	if missing := MissingNode(folder); len(missing) > 0 {
		return "", fmt.Errorf("%w: no %s in %s; build them with \"make node-binaries\"", ErrMissing, strings.Join(missing, ", "), folder)
	}
	return folder, nil
}

// MissingNode returns the programs of a node that are not in the folder.
func MissingNode(folder string) []string { return missingOf(folder, NodePrograms()) }

// NodeFolder is a folder of the user's cache named after the version of Kubernetes and everything else that the node's
// programs are made of.
func NodeFolder() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	version, err := Version(root, "kubernetes", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	sources, err := digest(root, "hack/binaries/kubernetes/go.sum", "hack/binaries/containerd/go.sum", "hack/binaries/cni/go.sum",
		"hack/binaries/coredns/go.sum", "hack/binaries/coredns/main.go", "hack/binaries/pause/main.go")
	if err != nil {
		return "", err
	}
	return cached(fmt.Sprintf("node-%s-%s", version, sources))
}
