// Package machine makes nodes of one Linux machine: processes with network, mounts, process numbers and a hostname of their
// own, joined by a switch. It needs root, and knows nothing of Kubernetes.
//
// A node is the tree below its first process (Run, started by Start). When that process is gone so is all that the node had:
// the kernel kills what else ran, and drops its mounts and its interfaces. That is why there is nothing to clean up but
// cgroups, and why it does not matter where a start was interrupted.
package machine
