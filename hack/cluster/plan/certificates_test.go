package plan

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

func TestCertificatesAreAccepted(t *testing.T) {
	files := filesOf(t, ID(0).Nodes(1)[0])
	tests := []struct {
		name, ca string
		hosts    []string
		usage    x509.ExtKeyUsage
		group    string
	}{
		{apiServer, clusterCA, []string{"kubernetes.default.svc", APIService, "10.213.0.11", "127.0.0.1"}, x509.ExtKeyUsageServerAuth, ""},
		{kubelet, clusterCA, []string{"node1", "10.213.0.11"}, x509.ExtKeyUsageServerAuth, ""},
		{apiClient, clusterCA, nil, x509.ExtKeyUsageClientAuth, "system:masters"},
		{etcd, etcdCA, []string{"127.0.0.1"}, x509.ExtKeyUsageServerAuth, ""},
		{etcd, etcdCA, nil, x509.ExtKeyUsageClientAuth, ""},
		{etcdClient, etcdCA, nil, x509.ExtKeyUsageClientAuth, ""},
	}
	for _, test := range tests {
		pair, err := tls.X509KeyPair(files[crt(test.name)], files[key(test.name)])
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(files[crt(test.ca)])
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{test.usage}}); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		for _, host := range test.hosts {
			if err := pair.Leaf.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if test.group != "" && (len(pair.Leaf.Subject.Organization) != 1 || pair.Leaf.Subject.Organization[0] != test.group) {
			t.Errorf("%s is in groups %v; want %s", test.name, pair.Leaf.Subject.Organization, test.group)
		}
	}
}

// TestKeysOfTheClusterStayOnTheFirstNode: every pod can reach its own node's files if it is privileged enough.
func TestKeysOfTheClusterStayOnTheFirstNode(t *testing.T) {
	files := filesOf(t, ID(0).Nodes(2)[1])
	for _, name := range []string{clusterCA, etcdCA, tokens, etcdClient, apiClient} {
		if files[key(name)] != nil {
			t.Errorf("node2 has %s", key(name))
		}
	}
	if files[key(kubelet)] == nil {
		t.Error("node2 has no key of its own")
	}
}

// TestKeysOutliveTheProgram: a second start is of the same cluster, and an interrupted first one spoils nothing.
func TestKeysOutliveTheProgram(t *testing.T) {
	folder := Folder(t.TempDir())
	load := func() []byte {
		t.Helper()
		keys, err := LoadPKI(0, folder)
		if err != nil {
			t.Fatal(err)
		}
		return keys.cluster.files.crt
	}
	first := load()
	if !bytes.Equal(first, load()) {
		t.Error("the second start made another CA")
	}
	if err := os.Remove(filepath.Join(folder.PKI(), crt(clusterCA))); err != nil { // interrupted after the key
		t.Fatal(err)
	}
	second := load()
	if !bytes.Equal(second, load()) {
		t.Error("after an interruption every start makes another CA")
	}
	if err := os.WriteFile(filepath.Join(folder.PKI(), crt(clusterCA)), []byte("garbled"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPKI(0, folder); err == nil {
		t.Error("a garbled CA is taken")
	}
}
