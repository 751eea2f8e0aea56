package plan

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func TestAddressesDoNotOverlap(t *testing.T) {
	nodes := ID(0).Nodes(MaxNodes)
	ranges := []netip.Prefix{ID(0).Machine().Masked(), netip.MustParsePrefix(Services)}
	seen := map[netip.Addr]bool{ID(0).Machine().Addr(): true}
	for _, node := range nodes {
		if !ID(0).Machine().Masked().Contains(node.Address.Addr()) || seen[node.Address.Addr()] {
			t.Errorf("%s has address %s", node.Name, node.Address)
		}
		seen[node.Address.Addr()] = true
		if !netip.MustParsePrefix(Pods).Contains(node.Pods.Addr()) {
			t.Errorf("pods of %s are at %s, outside of %s", node.Name, node.Pods, Pods)
		}
		ranges = append(ranges, node.Pods)
	}
	for i, one := range ranges {
		for _, other := range ranges[i+1:] {
			if one.Overlaps(other) {
				t.Errorf("%s overlaps %s", one, other)
			}
		}
	}
	services := netip.MustParsePrefix(Services)
	for _, address := range []string{APIService, DNSService} {
		if !services.Contains(netip.MustParseAddr(address)) {
			t.Errorf("%s is not in %s", address, Services)
		}
	}
}

// TestNodesHaveAWayToAllPods, also to those of nodes that are added later.
func TestNodesHaveAWayToAllPods(t *testing.T) {
	nodes := ID(0).Nodes(MaxNodes)
	for _, from := range nodes {
		via := map[netip.Prefix]netip.Addr{}
		for _, route := range from.Routes() {
			via[route.To] = route.Via
		}
		for _, to := range nodes {
			if from != to && via[to.Pods] != to.Address.Addr() {
				t.Errorf("%s sends to the pods of %s via %s", from.Name, to.Name, via[to.Pods])
			}
		}
		if _, ok := via[from.Pods]; ok {
			t.Errorf("%s sends away what is for its own pods", from.Name)
		}
	}
}

// TestClustersSideBySide have nothing in common that the machine knows.
func TestClustersSideBySide(t *testing.T) {
	seen := map[string]ID{}
	for id := range ID(MaxID + 1) {
		for _, thing := range []string{string(id.Folder()), id.Link(), id.Machine().Masked().String(), id.Cgroup(""), id.Server()} {
			if other, ok := seen[thing]; ok {
				t.Errorf("clusters %d and %d share %s", other, id, thing)
			}
			seen[thing] = id
		}
		if !strings.HasPrefix(id.Cgroup("node1"), id.Cgroup("")+"/") || len(id.Link()) > 15 {
			t.Errorf("cluster %d: cgroup %s, interface %s", id, id.Cgroup("node1"), id.Link())
		}
	}
}

var (
	testFolder   = Folder("/state")
	testPrograms = Programs{ControlPlane: "/cache/control-plane", Node: "/cache/node"}
)

// filesOf are the files of a node of a cluster with new keys.
func filesOf(t *testing.T, node Node) map[string][]byte {
	t.Helper()
	keys, err := LoadPKI(node.Cluster, Folder(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	files, err := node.Files(keys, testPrograms)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestEveryFileThatIsNamedIsThere: programs end without a file that they are told to read.
func TestEveryFileThatIsNamedIsThere(t *testing.T) {
	named := regexp.MustCompile(regexp.QuoteMeta(etc) + `([\w./-]*\w)`)
	for _, node := range ID(0).Nodes(2) {
		files := filesOf(t, node)
		var text strings.Builder
		for _, program := range node.Spec(testFolder, testPrograms).Programs {
			text.WriteString(strings.Join(program.Args, "\n") + "\n")
		}
		for _, file := range files {
			text.Write(file)
		}
		used := map[string]bool{"net.d": true} // a folder
		for _, match := range named.FindAllStringSubmatch(text.String(), -1) {
			if name := match[1]; files[name] == nil && !used[name] {
				t.Errorf("%s has no %s", node.Name, name)
			}
			used[match[1]] = true
		}
		for name := range files {
			if !used[name] && name != fileNetwork {
				t.Errorf("%s has %s, which nothing reads", node.Name, name)
			}
		}
	}
}

func TestOnlyTheFirstNodeRunsTheControlPlane(t *testing.T) {
	for _, node := range ID(0).Nodes(2) {
		var names []string
		for _, program := range node.Spec(testFolder, testPrograms).Programs {
			names = append(names, program.Name)
			if !strings.HasPrefix(program.Path, "/cache/") || !strings.HasSuffix(program.Path, "/"+program.Name) {
				t.Errorf("%s is at %s", program.Name, program.Path)
			}
		}
		want := "containerd kubelet kube-proxy"
		if node.Index == 1 {
			want = "etcd kube-apiserver kube-controller-manager kube-scheduler " + want
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s runs %s; want %s", node.Name, got, want)
		}
	}
}

// TestConfigurationIsReadable as the format that its reader expects, with the node's own values in it.
func TestConfigurationIsReadable(t *testing.T) {
	node := ID(0).Nodes(2)[1]
	files := filesOf(t, node)
	var kubelet struct {
		Kind, CgroupRoot string
		ClusterDNS       []string
	}
	if err := yaml.Unmarshal(files[fileKubelet], &kubelet); err != nil {
		t.Error(err)
	}
	if kubelet.Kind != "KubeletConfiguration" || kubelet.CgroupRoot != "/warifu-cluster/node2" || len(kubelet.ClusterDNS) != 1 || kubelet.ClusterDNS[0] != DNSService {
		t.Errorf("kubelet: %+v", kubelet)
	}
	var proxy struct{ Mode, HostnameOverride string }
	if err := yaml.Unmarshal(files[fileProxy], &proxy); err != nil || proxy.Mode != "nftables" || proxy.HostnameOverride != "node2" {
		t.Errorf("kube-proxy: %+v, %v", proxy, err)
	}
	var network struct {
		Plugins []struct {
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal(files[fileNetwork], &network); err != nil || network.Plugins[0].IPAM.Ranges[0][0].Subnet != node.Pods.String() {
		t.Errorf("network: %+v, %v", network, err)
	}
	for _, name := range []string{fileKubeletClient, fileProxyClient} {
		config, err := clientcmd.RESTConfigFromKubeConfig(files[name])
		if err != nil || config.Host != "https://10.213.0.11:6443" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := `sandbox = "` + ImagePause + `"`; !strings.Contains(string(files[fileContainerd]), want) {
		t.Errorf("containerd: no %s in\n%s", want, files[fileContainerd])
	}
}

func TestAddonsAreObjects(t *testing.T) {
	text, err := Addons()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var object struct {
			Kind string
			Spec struct{ ClusterIP string }
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		kinds[object.Kind] = true
		if object.Kind == "Service" && object.Spec.ClusterIP != DNSService {
			t.Errorf("DNS is at %s, and kubelets say %s", object.Spec.ClusterIP, DNSService)
		}
	}
	for _, kind := range []string{"Deployment", "Service", "ConfigMap", "ClusterRoleBinding"} {
		if !kinds[kind] {
			t.Errorf("no %s", kind)
		}
	}
}
