// Package e2e holds Warifu's promises against a real Kubernetes, as a user would: the chart installed by helm, objects applied
// by kubectl, applications that ask each other, and what kubelet, kube-proxy and the controllers of Kubernetes make of it.
//
//	make e2e                                                     starts the local cluster, loads the images, and runs all
//	WARIFU_E2E=1 go test ./test/e2e -count=1 -run TestStrict     runs some, where the cluster is there
//
// It installs a release of its own into the cluster of KUBECONFIG, or else the local one of hack/cluster, which must have no
// other. Tests have namespaces of their own; those that disturb the operator or the API server run first, one after another,
// the others at once. What a test leaves when it fails is in the folder that it names.
package e2e
