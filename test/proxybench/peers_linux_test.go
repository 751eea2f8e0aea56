package proxybench

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// Cores that the two proxies of a pair are pinned to; client and application run wherever there is room.
const (
	nearCore = "0"
	farCore  = "1"
)

// pair is two proxies that run: where the client dials, and the processes whose cost counts.
type pair struct {
	address   netip.AddrPort
	near, far int
}

// contender makes pairs. Each start ends what an earlier one of the contender left.
type contender interface {
	name() string
	// start makes a pair in front of a port of the application.
	start(b *testing.B, w *world, port uint16) pair
}

// Ports of the peers. They need no redirect: the client dials the near proxy itself, which is in their favour.
const (
	peerNear = 16001
	peerFar  = 16006
)

// fingerprint is the SHA-256 of a certificate, in hexadecimal, by which the peers know the client: neither reads URI SANs.
func (w *world) fingerprint(b *testing.B, name string) string {
	b.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, name, "tls", naming.FileCert))
	if err != nil {
		b.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	return fmt.Sprintf("%x", sha256.Sum256(block.Bytes))
}

func (w *world) serve(b *testing.B, pod *podnet.Pod, port uint16, core, program string, args ...string) int {
	b.Helper()
	process := pod.Start(b, podnet.Command{Path: "taskset", Args: append([]string{"-c", core, program}, args...)})
	w.await(b, process, pod, netip.AddrPortFrom(pod.IPv4, port))
	return process.PID()
}

type haproxy struct{}

func (haproxy) name() string { return "haproxy" }

func (haproxy) start(b *testing.B, w *world, port uint16) pair {
	const common = `
global
  nbthread 1
  maxconn 8192
  tune.ssl.cachesize 0
  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
  ssl-default-server-options ssl-min-ver TLSv1.3 no-tls-tickets
  ssl-default-bind-curves X25519
defaults
  timeout connect 5s
  timeout client 10m
  timeout server 10m
`
	near := w.write(b, "haproxy-near.cfg", fmt.Appendf(nil, common+`
listen near
  mode tcp
  bind :%d backlog 4096
  server far %s:%d ssl crt %s ca-file %s verify required no-ssl-reuse
`, peerNear, w.server.IPv4, peerFar, w.file("client", "pair.pem"), w.file("client", naming.FileCA)))
	far := common + fmt.Sprintf(`
listen far
  bind :%d backlog 4096 ssl crt %s ca-file %s verify required
  server app %s:%d
`, peerFar, w.file("server", "pair.pem"), w.file("server", naming.FileCA), w.server.IPv4, port)
	if port == portHTTP {
		far += fmt.Sprintf(`  mode http
  http-reuse never
  acl client ssl_c_der,sha2(256),hex -m str -i %s
  acl get method GET
  acl under path_beg /
  http-request deny deny_status 403 unless client get under
  http-request set-header X-Forwarded-Client-Cert By=%s;Hash=%%[ssl_c_der,sha2(256),hex,lower];Subject="";URI=%s
`, w.fingerprint(b, "client"), w.serverID, w.clientID)
	} else {
		far += "  mode tcp\n"
	}
	farFile := w.write(b, "haproxy-far.cfg", []byte(far))
	return pair{
		far:     w.serve(b, w.server, peerFar, farCore, "haproxy", "-db", "-f", farFile),
		near:    w.serve(b, w.client, peerNear, nearCore, "haproxy", "-db", "-f", near),
		address: netip.AddrPortFrom(w.client.IPv4, peerNear),
	}
}

type nginx struct{}

func (nginx) name() string { return "nginx" }

func (nginx) start(b *testing.B, w *world, port uint16) pair {
	common := func(name string) string {
		return fmt.Sprintf(`
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; worker_processes 1; pid %[1]s/%[2]s.pid; error_log stderr warn;
events { worker_connections 8192; }
`, w.dir, name)
	}
	near := w.write(b, "nginx-near.conf", fmt.Appendf(nil, common("near")+`
stream {
  server {
    listen %[1]d backlog=4096; proxy_pass %[2]s:%[3]d; proxy_timeout 10m;
    proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off; proxy_ssl_verify on; proxy_ssl_verify_depth 2; proxy_ssl_name %[7]s;
    proxy_ssl_certificate %[4]s; proxy_ssl_certificate_key %[5]s; proxy_ssl_trusted_certificate %[6]s;
  }
}`, peerNear, w.server.IPv4, peerFar, w.file("client", naming.FileCert), w.file("client", naming.FileKey), w.file("client", naming.FileCA), dnsName))
	tls := fmt.Sprintf(`ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_session_tickets off; ssl_session_cache off; ssl_verify_client on;
    ssl_certificate %s; ssl_certificate_key %s; ssl_client_certificate %s;`,
		w.file("server", "dns.crt"), w.file("server", "dns.key"), w.file("server", naming.FileCA))
	far := common("far")
	if port == portHTTP {
		far += fmt.Sprintf(`
http {
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s; proxy_buffering off;
  client_body_temp_path %[1]s/far-body; proxy_temp_path %[1]s/far-proxy; fastcgi_temp_path %[1]s/d; uwsgi_temp_path %[1]s/e; scgi_temp_path %[1]s/f;
  upstream app { server %[2]s:%[3]d; keepalive 256; keepalive_requests 1000000000; }
  map "$request_method $ssl_client_verify" $let { default 0; "GET SUCCESS" 1; }
  server {
    listen %[4]d ssl backlog=4096; %[5]s
    location / {
      if ($let = 0) { return 403; }
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-Client-Cert "By=%[6]s;Hash=$ssl_client_fingerprint;Subject=\"\";URI=%[7]s";
    }
  }
}`, w.dir, w.server.IPv4, port, peerFar, tls, w.serverID, w.clientID)
	} else {
		far += fmt.Sprintf(`
stream { server { listen %d ssl backlog=4096; %s proxy_pass %s:%d; proxy_timeout 10m; } }`, peerFar, tls, w.server.IPv4, port)
	}
	farFile := w.write(b, "nginx-far.conf", []byte(far))
	return pair{
		far:     w.serve(b, w.server, peerFar, farCore, "nginx", "-c", farFile),
		near:    w.serve(b, w.client, peerNear, nearCore, "nginx", "-c", near),
		address: netip.AddrPortFrom(w.client.IPv4, peerNear),
	}
}

// file is one of an identity's.
func (w *world) file(identity, name string) string {
	return filepath.Join(w.dir, identity, "tls", name)
}
