package plan

import (
	"fmt"
	"path/filepath"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// etc is where a node has its configuration: below /var, which is its own while /etc is the machine's.
const etc = "/var/kubernetes/"

// Spec is what the node's first process is given.
func (n Node) Spec(f Folder, p Programs) machine.Spec {
	spec := machine.Spec{
		Name: n.Name,
		Var:  f.Var(n.Name),
		Path: p.Node + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	if n.ControlPlane() {
		spec.Programs = n.controlPlane(p)
	}
	spec.Programs = append(spec.Programs,
		program(p.Node, binaries.Containerd, "--config="+etc+fileContainerd),
		program(p.Node, binaries.Kubelet,
			"--config="+etc+fileKubelet,
			"--kubeconfig="+etc+fileKubeletClient,
			"--hostname-override="+n.Name,
			"--node-ip="+n.Address.Addr().String(),
		),
		program(p.Node, binaries.KubeProxy, "--config="+etc+fileProxy),
	)
	return spec
}

func program(folder, name string, args ...string) machine.Program {
	return machine.Program{Name: name, Path: filepath.Join(folder, name), Args: args}
}

// controlPlane are the programs of the first node alone. Nobody competes with them, so none is elected.
func (n Node) controlPlane(p Programs) []machine.Program {
	folder := p.ControlPlane
	return []machine.Program{
		program(folder, binaries.Etcd,
			"--data-dir=/var/lib/etcd",
			"--listen-client-urls=https://127.0.0.1:2379", "--advertise-client-urls=https://127.0.0.1:2379",
			"--listen-peer-urls=https://127.0.0.1:2380", "--initial-advertise-peer-urls=https://127.0.0.1:2380",
			"--initial-cluster=default=https://127.0.0.1:2380",
			"--client-cert-auth", "--trusted-ca-file="+etc+crt(etcdCA), "--cert-file="+etc+crt(etcd), "--key-file="+etc+key(etcd),
			"--peer-client-cert-auth", "--peer-trusted-ca-file="+etc+crt(etcdCA), "--peer-cert-file="+etc+crt(etcd), "--peer-key-file="+etc+key(etcd),
			"--unsafe-no-fsync", // its data is not needed after a power failure
		),
		program(folder, binaries.APIServer,
			"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile="+etc+crt(etcdCA),
			"--etcd-certfile="+etc+crt(etcdClient), "--etcd-keyfile="+etc+key(etcdClient),
			"--advertise-address="+n.Address.Addr().String(), fmt.Sprintf("--secure-port=%d", APIPort),
			"--tls-cert-file="+etc+crt(apiServer), "--tls-private-key-file="+etc+key(apiServer),
			"--client-ca-file="+etc+crt(clusterCA),
			"--kubelet-certificate-authority="+etc+crt(clusterCA),
			"--kubelet-client-certificate="+etc+crt(apiClient), "--kubelet-client-key="+etc+key(apiClient),
			"--kubelet-preferred-address-types=InternalIP", // the names of nodes are in no DNS
			"--service-cluster-ip-range="+Services,
			"--service-account-issuer=https://kubernetes.default.svc."+Domain,
			"--service-account-signing-key-file="+etc+key(tokens), "--service-account-key-file="+etc+key(tokens),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true", "--profiling=false",
		),
		program(folder, binaries.ControllerManager,
			"--kubeconfig="+etc+fileManager, "--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials",
			"--root-ca-file="+etc+crt(clusterCA), "--service-account-private-key-file="+etc+key(tokens),
			"--cluster-signing-cert-file="+etc+crt(clusterCA), "--cluster-signing-key-file="+etc+key(clusterCA),
			"--flex-volume-plugin-dir=/var/lib/kubelet/plugins", "--profiling=false",
		),
		program(p.Node, binaries.Scheduler,
			"--kubeconfig="+etc+fileScheduler, "--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"),
	}
}
