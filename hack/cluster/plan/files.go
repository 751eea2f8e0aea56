package plan

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"text/template"
)

// Files of a node besides certificates.
const (
	fileContainerd    = "containerd.toml"
	fileKubelet       = "kubelet.yaml"
	fileKubeletClient = "kubelet.kubeconfig"
	fileProxy         = "kube-proxy.yaml"
	fileProxyClient   = "kube-proxy.kubeconfig"
	fileManager       = "kube-controller-manager.kubeconfig"
	fileScheduler     = "kube-scheduler.kubeconfig"
	fileNetwork       = "net.d/10-routed.conflist"
	fileResolver      = "resolv.conf"
)

// ImagePause and ImageCoreDNS are in no registry: they are made of the programs and loaded into every node.
const (
	ImagePause   = "localhost/warifu-cluster/pause:1"
	ImageCoreDNS = "localhost/warifu-cluster/coredns:1"
)

//go:embed templates
var templates embed.FS

var functions = template.FuncMap{"base64": base64.StdEncoding.EncodeToString}

// Files are the files of a node below its /var/kubernetes, by name. Keys are new each time; the CAs are the PKI's.
func (n Node) Files(p *PKI, programs Programs) (map[string][]byte, error) {
	files := map[string][]byte{fileResolver: []byte("# Outside of the cluster there is no DNS.\n")}
	if err := p.certificates(n, files); err != nil {
		return nil, err
	}
	values := map[string]any{
		"Node": n, "Etc": etc, "Programs": programs.Node, "Cgroup": n.Cluster.Cgroup(n.Name), "Pause": ImagePause,
		"Pods": Pods, "DNS": DNSService, "Domain": Domain,
	}
	for name, source := range map[string]string{
		fileContainerd: "containerd.toml", fileKubelet: "kubelet.yaml", fileProxy: "kube-proxy.yaml", fileNetwork: "network.json",
	} {
		text, err := render(source, values)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	clients := map[string][]string{
		fileKubeletClient: {"system:node:" + n.Name, "system:nodes"},
		fileProxyClient:   {"system:kube-proxy"},
	}
	if n.ControlPlane() {
		clients[fileManager] = []string{"system:kube-controller-manager"}
		clients[fileScheduler] = []string{"system:kube-scheduler"}
	}
	for name, who := range clients {
		text, err := p.kubeconfig(who[0], who[1:]...)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
}

// AdminKubeconfig is the kubeconfig of an administrator.
func (p *PKI) AdminKubeconfig() ([]byte, error) {
	return p.kubeconfig("kubernetes-admin", "system:masters")
}

func (p *PKI) kubeconfig(user string, groups ...string) ([]byte, error) {
	pair, err := p.cluster.issue(client(user, groups...))
	if err != nil {
		return nil, err
	}
	return render("kubeconfig.yaml", map[string]any{
		"Server": p.id.Server(), "CA": p.cluster.files.crt, "User": user, "Certificate": pair.crt, "Key": pair.key,
	})
}

// Addons are the objects of the cluster's DNS.
func Addons() ([]byte, error) {
	return render("coredns.yaml", map[string]any{"Image": ImageCoreDNS, "DNS": DNSService, "Domain": Domain})
}

func render(name string, values map[string]any) ([]byte, error) {
	parsed, err := template.New(name).Funcs(functions).Option("missingkey=error").ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	return out.Bytes(), nil
}
