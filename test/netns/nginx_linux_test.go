package netns

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/testkit/kubelet"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// Ports of nginx: it cannot speak both versions of HTTP on one without TLS.
const (
	nginxHTTP1 = 8080
	nginxHTTP2 = 8082
)

// nginxConfig serves a folder, compresses text, and keeps the bodies that are posted as files.
const nginxConfig = `
daemon off; master_process off; worker_processes 1; pid /run/nginx.pid; error_log stderr warn;
events {}
http {
  access_log off; types { text/plain txt; } default_type application/octet-stream;
  gzip on; gzip_types text/plain; if_modified_since before; keepalive_timeout 60s; client_max_body_size 64m;
  client_body_temp_path /run/web/bodies; proxy_temp_path /run/a; fastcgi_temp_path /run/b; uwsgi_temp_path /run/c; scgi_temp_path /run/d;
  server {
    listen 8080; listen 8082 http2; root /run/web/pages;
    location /post {
      client_body_in_file_only on; proxy_pass http://127.0.0.1:8079; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_set_header X-File $request_body_file;
    }
  }
  server { listen 127.0.0.1:8079; return 200 $http_x_file; }
}`

// web is nginx in a pod: what it serves, and the folder where it and the test find it.
type web struct {
	*shop
	dir, address string
	large, text  []byte
}

// nginx is a server that is not ours, as curl meets it through two proxies and through one.
func (s *shop) nginx(t *testing.T) {
	s.settle(t)
	w := s.newWeb(t)
	for name, from := range map[string]*kubelet.Pod{"orders": s.orders, "stranger": s.stranger} {
		t.Run(name, func(t *testing.T) {
			v := visitor{w, from, t.TempDir()}
			for version, port := range map[string]int{"1.1": nginxHTTP1, "2": nginxHTTP2} {
				t.Run("HTTP "+version, func(t *testing.T) { v.visit(t, version, port) })
			}
			v.asksForHTTP2(t)
			v.keepsAlive(t)
		})
	}
	for line := range strings.SplitSeq(s.orders.Proxy().Stdout(), "\n") {
		if strings.Contains(line, s.namespace+"/web") && strings.Contains(line, "ConnectionBroken") {
			t.Errorf("a connection that ended well is logged as broken: %s", line)
		}
	}
}

func (s *shop) newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{shop: s, dir: t.TempDir(), large: make([]byte, 10<<20), text: []byte(strings.Repeat("all work and no play\n", 10000))}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(w.large)
	for name, content := range map[string][]byte{"nginx.conf": []byte(nginxConfig), "pages/large.bin": w.large, "pages/text.txt": w.text} {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	service := serviceOf(s.namespace, "web", map[string]int32{"http": nginxHTTP1, "http2": nginxHTTP2})
	s.create(t, service)
	pod := s.pod(t, s.namespace, "web", true)
	process := pod.Start(t, "app", podnet.Command{
		Path: "nginx", Args: []string{"-e", "stderr", "-c", "/run/web/nginx.conf"}, Mounts: []podnet.Mount{{Source: w.dir, Target: "/run/web"}},
	})
	w.address = s.publish(t, pod, service).String()
	eventually(t, "nginx answers", func() error {
		out, err := s.exec(t, s.orders, "curl", "-sS", "-o", os.DevNull, w.url(nginxHTTP1, "/text.txt"))
		if err != nil {
			return fmt.Errorf("%s %s: %w", out, process.Stderr(), err)
		}
		return nil
	})
	return w
}

func (w *web) url(port int, path string) string {
	return "http://" + netip.AddrPortFrom(netip.MustParseAddr(w.address), uint16(port)).String() + path
}

// exec runs a program in a pod to its end.
func (s *shop) exec(t *testing.T, in *kubelet.Pod, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return in.Exec(ctx, "app", podnet.Command{Path: program, Args: args, Stdin: strings.NewReader("")})
}

// visitor is curl in a pod, with a folder for what it gets.
type visitor struct {
	*web
	from *kubelet.Pod
	dir  string
}

// got is what curl got: version and status of the answer, and its body.
type got struct {
	version, status string
	body            []byte
}

// curl makes one request.
func (v *visitor) curl(t *testing.T, args ...string) got {
	t.Helper()
	path := filepath.Join(v.dir, "body")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := v.exec(t, v.from, "curl", append([]string{"-sS", "-m", "50", "-o", path, "-w", "%{http_version} %{http_code}"}, args...)...)
	if err != nil {
		t.Fatalf("curl %q: %s: %v", args, out, err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	version, status, _ := strings.Cut(out, " ")
	return got{version, status, body}
}

// want checks an answer. Bodies are long, and are not shown.
func (g got) want(t *testing.T, what, version, status string, body []byte) {
	t.Helper()
	if g.version != version || g.status != status || !bytes.Equal(g.body, body) {
		t.Errorf("%s: got HTTP/%s %s and %d bytes that are right: %t, want HTTP/%s %s and %d bytes",
			what, g.version, g.status, len(g.body), bytes.Equal(g.body, body), version, status, len(body))
	}
}

// visit downloads and uploads in a version of HTTP, and compares every byte.
func (v *visitor) visit(t *testing.T, version string, port int) {
	how := "--http1.1"
	if version == "2" {
		how = "--http2-prior-knowledge"
	}
	large, text := v.url(port, "/large.bin"), v.url(port, "/text.txt")
	v.curl(t, how, large).want(t, "a large file", version, "200", v.large)
	v.curl(t, how, "-r", "1000000-1999999", large).want(t, "a range", version, "206", v.large[1000000:2000000])
	v.curl(t, how, "-r", "-7", large).want(t, "the end", version, "206", v.large[len(v.large)-7:])
	v.curl(t, how, "--compressed", text).want(t, "text", version, "200", v.text)
	packed := v.curl(t, how, "-H", "Accept-Encoding: gzip", text)
	if packed.body = unpack(t, packed.body); len(packed.body) > 0 {
		packed.want(t, "text, compressed by nginx", version, "200", v.text)
	}
	v.curl(t, how, "-H", "If-Modified-Since: Fri, 31 Dec 2999 23:59:59 GMT", text).want(t, "text that is known", version, "304", nil)
	if missing := v.curl(t, how, v.url(port, "/missing")); missing.status != "404" || !bytes.Contains(missing.body, []byte("<center>nginx")) {
		t.Errorf("a missing page: got %s %q", missing.status, missing.body)
	}
	if head := v.curl(t, how, "-I", large); head.status != "200" || !bytes.Contains(bytes.ToLower(head.body), []byte("content-length: 10485760\r\n")) {
		t.Errorf("HEAD: got %s %q", head.status, head.body)
	}
	file := filepath.Join(v.web.dir, "pages", "large.bin")
	v.posts(t, port, how, "--data-binary", "@"+file)
	v.posts(t, port, how, "-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", file)
}

// posts checks what nginx has got of a body.
func (v *visitor) posts(t *testing.T, port int, args ...string) {
	t.Helper()
	answer := v.curl(t, append(args, v.url(port, "/post"))...)
	received, err := os.ReadFile(filepath.Join(v.web.dir, "bodies", filepath.Base(string(answer.body))))
	if err != nil || answer.status != "200" || !bytes.Equal(received, v.large) {
		t.Errorf("curl %q: answer %s %q, and nginx has %d bytes that are right: %t (%v)",
			args, answer.status, answer.body, len(received), bytes.Equal(received, v.large), err)
	}
}

// asksForHTTP2: what curl does with --http2, and other clients without being told to, is served in HTTP/1.1.
func (v *visitor) asksForHTTP2(t *testing.T) {
	v.curl(t, "--http2", v.url(nginxHTTP1, "/text.txt")).want(t, "Upgrade: h2c", "1.1", "200", v.text)
	v.posts(t, nginxHTTP1, "--http2", "--data-binary", "@"+filepath.Join(v.web.dir, "pages", "large.bin"))
	v.curl(t, "-H", "Connection: Upgrade", "-H", "Upgrade: TLS/1.2", v.url(nginxHTTP1, "/text.txt")).want(t, "Upgrade: TLS/1.2", "1.1", "200", v.text)
}

// keepsAlive: requests that follow each other use one connection, a refused one between them too.
func (v *visitor) keepsAlive(t *testing.T) {
	const times = 20
	args := []string{"-sS", "-w", "%{num_connects} "}
	for i := range times {
		args = append(args, "-o", os.DevNull, v.url(nginxHTTP1, []string{"/text.txt", "/missing"}[i%2]))
	}
	out, err := v.exec(t, v.from, "curl", args...)
	if want := "1 " + strings.Repeat("0 ", times-1); err != nil || out != want {
		t.Errorf("curl opens connections: %q, want %q (%v)", out, want, err)
	}
}

func unpack(t *testing.T, packed []byte) []byte {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Errorf("%d bytes that are not compressed: %v", len(packed), err)
		return nil
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Errorf("what nginx compressed: %v", err)
	}
	return text
}
