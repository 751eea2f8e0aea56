package plan

import (
	"path/filepath"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// DefaultFolder is where the state of the usual cluster is: all of it, and nothing else.
const DefaultFolder = "/var/lib/warifu-cluster"

// Folder is the state of a cluster on disk.
type Folder string

// Lock is held by whoever changes the cluster.
func (f Folder) Lock() string { return filepath.Join(string(f), "lock") }

// Program is the copy of this program that the nodes run as their first process.
func (f Folder) Program() string { return filepath.Join(string(f), "warifu-cluster") }

// PKI is the folder of the keys that make the cluster the same one after a restart of its nodes.
func (f Folder) PKI() string { return filepath.Join(string(f), "pki") }

// Kubeconfig is an administrator's.
func (f Folder) Kubeconfig() string { return filepath.Join(string(f), "kubeconfig") }

// Process is the record of a node's first process, or that of the switch.
func (f Folder) Process(name string) string { return filepath.Join(string(f), name, "process.json") }

// Spec is the file from which that process knows what to do.
func (f Folder) Spec(name string) string { return filepath.Join(string(f), name, "spec.json") }

// Var is the node's /var.
func (f Folder) Var(name string) string { return filepath.Join(string(f), name, "var") }

// Log is the output of a program of a node.
func (f Folder) Log(name, program string) string {
	return filepath.Join(f.Var(name), "log", program+".log")
}

// Containerd is the socket of a node's containerd, seen from the machine.
func (f Folder) Containerd(name string) string {
	return filepath.Join(f.Var(name), "lib", "containerd", "containerd.sock")
}

// Programs are the folders that programs are taken from.
type Programs struct {
	ControlPlane string // of etcd, the API server and the controller manager
	Node         string
}

// FindPrograms returns the folders after checking that all programs are there.
func FindPrograms() (Programs, error) {
	controlPlane, err := binaries.Find()
	if err != nil {
		return Programs{}, err
	}
	node, err := binaries.FindNode()
	return Programs{ControlPlane: controlPlane, Node: node}, err
}
