package plan

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
)

// Names of certificates and keys, and of their files less the ending.
const (
	clusterCA  = "ca"
	etcdCA     = "etcd-ca"
	tokens     = "tokens" // ServiceAccounts' tokens are signed with it
	etcd       = "etcd"
	etcdClient = "etcd-client"
	apiServer  = "kube-apiserver"
	apiClient  = "kube-apiserver-client" // to kubelets
	kubelet    = "kubelet"
)

func crt(name string) string { return name + ".crt" }
func key(name string) string { return name + ".key" }

// PKI is what signs in the cluster.
type PKI struct {
	id ID

	cluster, etcd, tokens *authority
}

// LoadPKI reads the keys of the cluster and makes those that are not there yet.
func LoadPKI(id ID, f Folder) (*PKI, error) {
	p := PKI{id: id}
	var errs []error
	for _, one := range []struct {
		name string
		to   **authority
	}{{clusterCA, &p.cluster}, {etcdCA, &p.etcd}, {tokens, &p.tokens}} {
		a, err := loadAuthority(f.PKI(), one.name)
		*one.to = a
		errs = append(errs, err)
	}
	return &p, errors.Join(errs...)
}

// client is a certificate by which the API server knows somebody.
func client(name string, groups ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// server is a certificate for a host of these names and addresses.
func server(hosts ...string) *x509.Certificate {
	c := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	return c
}

// certificates adds the node's certificates and keys to its files.
func (p *PKI) certificates(n Node, files map[string][]byte) error {
	add := func(name string, a *authority, template *x509.Certificate) error {
		pair, err := a.issue(template)
		files[crt(name)], files[key(name)] = pair.crt, pair.key
		return err
	}
	files[crt(clusterCA)] = p.cluster.files.crt
	address := n.Address.Addr().String()
	if err := add(kubelet, p.cluster, server(n.Name, address)); err != nil || !n.ControlPlane() {
		return err
	}
	files[key(clusterCA)] = p.cluster.files.key
	files[crt(etcdCA)] = p.etcd.files.crt
	files[key(tokens)] = p.tokens.files.key
	both := server("localhost", "127.0.0.1")
	both.ExtKeyUsage = append(both.ExtKeyUsage, x509.ExtKeyUsageClientAuth) // a member is its peers' client too
	return errors.Join(
		add(etcd, p.etcd, both),
		add(etcdClient, p.etcd, client(apiServer)),
		add(apiClient, p.cluster, client(apiClient, "system:masters")),
		add(apiServer, p.cluster, server("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc."+Domain,
			"localhost", "127.0.0.1", APIService, address)),
	)
}
