package proxybench

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// Ports of the server's pod: the application on one that carries bytes and on one that is declared HTTP.
const (
	portTCP  = 8080
	portHTTP = 8081
)

// bulk is the size in bytes of the application's large answer.
const bulk = 1 << 20

// world is two pods, each with an identity, and an application in the server's.
type world struct {
	dir            string
	client, server *podnet.Pod
	clientID       identity.ID
	serverID       identity.ID
	// host is where nobody answers as control API.
	host netip.Addr
}

// newWorld makes the world. The application is nginx with answers from memory: what it costs is the same for every pair.
func newWorld(b *testing.B) *world {
	b.Helper()
	node := podnet.New(b)
	w := &world{dir: b.TempDir(), host: node.HostIPv4}
	if err := os.Chmod(w.dir, 0o755); err != nil {
		b.Fatal(err)
	}
	openParents(b, w.dir)
	w.client, w.server = node.Pod(b, "client"), node.Pod(b, "server")
	now := time.Now()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "bench", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, now)
	if err != nil {
		b.Fatal(err)
	}
	w.clientID, w.serverID = w.identity(b, ca, "client"), w.identity(b, ca, "server")
	w.serving(b, ca)
	w.application(b)
	return w
}

// openParents lets other users than root through a test's temporary folder.
func openParents(b *testing.B, dir string) {
	b.Helper()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			b.Fatal(err)
		}
	}
}

// identity writes tls.crt, tls.key, ca.crt and pair.pem (HAProxy's form) into a folder of the name.
func (w *world) identity(b *testing.B, ca *pki.CA, name string) identity.ID {
	b.Helper()
	id, err := identity.New("cluster.local", "bench", name)
	if err != nil {
		b.Fatal(err)
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		b.Fatal(err)
	}
	cert, err := ca.SignWorkload(pki.WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: time.Hour}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		b.Fatal(err)
	}
	certPEM := pki.EncodeCertificates(cert)
	w.write(b, name+"/tls/"+naming.FileCert, certPEM)
	w.write(b, name+"/tls/"+naming.FileKey, keyPEM)
	w.write(b, name+"/tls/"+naming.FileCA, pki.EncodeCertificates(ca.Roots...))
	w.write(b, name+"/tls/pair.pem", append(certPEM, keyPEM...))
	return id
}

// dnsName is how nginx, which cannot look for a URI SAN, knows the server.
const dnsName = "server.bench"

// serving writes a certificate for dnsName, of the kind that the identities have.
func (w *world) serving(b *testing.B, ca *pki.CA) {
	b.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		b.Fatal(err)
	}
	cert, err := ca.SignServing(pki.ServingRequest{DNSNames: []string{dnsName}, PublicKey: key.Public(), Lifetime: time.Hour}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		b.Fatal(err)
	}
	w.write(b, "server/tls/dns.crt", pki.EncodeCertificates(cert))
	w.write(b, "server/tls/dns.key", keyPEM)
}

// write makes a file below the world's folder that everybody may read, and returns its path.
func (w *world) write(b *testing.B, name string, content []byte) string {
	b.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.Fatal(err)
	}
	return path
}

func (w *world) application(b *testing.B) {
	b.Helper()
	w.write(b, "www/bulk", make([]byte, bulk))
	config := w.write(b, "app.conf", fmt.Appendf(nil, `
daemon off; master_process off; worker_processes 1; pid %[1]s/app.pid; error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path %[1]s/app-body; proxy_temp_path %[1]s/app-proxy; fastcgi_temp_path %[1]s/a; uwsgi_temp_path %[1]s/b; scgi_temp_path %[1]s/c;
  server {
    listen %[2]d backlog=4096; listen %[3]d backlog=4096;
    location = / { default_type text/plain; return 200 "%[4]0512d"; }
    location = /bulk { root %[1]s/www; }
  }
}`, w.dir, portTCP, portHTTP, 0))
	app := w.server.Start(b, podnet.Command{Path: "nginx", Args: []string{"-c", config}})
	w.await(b, app, w.server, netip.AddrPortFrom(w.server.IPv4, portTCP))
}

// await waits until an address answers in a pod.
func (w *world) await(b *testing.B, process *podnet.Process, pod *podnet.Pod, address netip.AddrPort) {
	b.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := pod.DialContext(b.Context(), "tcp", address.String())
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-process.Done():
			b.Fatalf("it ended before it listened on %s: %s", address, process.Stderr())
		default:
		}
		if time.Now().After(deadline) {
			b.Fatalf("nobody listens on %s: %v", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
