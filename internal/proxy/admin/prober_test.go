package admin

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// seen is the application that the HTTP probes of these tests meet: /<status> answers it, and the rest is by name.
func seen(w http.ResponseWriter, r *http.Request) {
	var status int
	switch {
	case r.URL.Path == "/hang":
		<-r.Context().Done()
	case r.URL.Path == "/secret":
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("the password is 1234"))
	case r.URL.Path == "/elsewhere":
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	case r.URL.Path == "/here":
		http.Redirect(w, r, "/500", http.StatusFound)
	case r.URL.Path == "/round":
		http.Redirect(w, r, "/round", http.StatusFound)
	case r.URL.Path == "/proxy":
		http.Redirect(w, r, fmt.Sprintf("http://%s:%d/readyz", podIP, naming.PortAdmin), http.StatusFound)
	case r.URL.Path == "/header" && (r.Host != "shop.example" || r.Header.Get("X-Key") != "v" || r.UserAgent() != "kube-probe/1.37" || r.Header.Get("Accept") != "*/*"):
		w.WriteHeader(http.StatusTeapot)
	case r.URL.Path == "/own-agent" && (r.UserAgent() != "mine" || r.Header["Accept"] != nil):
		w.WriteHeader(http.StatusTeapot)
	case r.URL.Path == "/query" && r.URL.RawQuery != "a=b":
		w.WriteHeader(http.StatusTeapot)
	default:
		if n, _ := fmt.Sscanf(r.URL.Path, "/%d", &status); n == 1 {
			w.WriteHeader(status)
		}
	}
}

func TestHTTPGet(t *testing.T) {
	port := application(t, seen, plain)
	closed := listen(t)
	_ = closed.Close()
	named := httpProbe(port, "/200")
	named.HTTPGet.Host = podIP
	short := httpProbe(port, "/hang")
	loopback := httpProbe(naming.PortAdmin, "/readyz")
	loopback.HTTPGet.Host = "127.0.0.1"
	tests := map[string]struct {
		probe  proxyconfig.Probe
		status int
		text   string
	}{
		"200":                 {httpProbe(port, "/200"), 200, "answered 200"},
		"204":                 {httpProbe(port, "/204"), 200, "answered 204"},
		"304":                 {httpProbe(port, "/304"), 200, "answered 304"},
		"400":                 {httpProbe(port, "/400"), 400, "answered 400"},
		"503":                 {httpProbe(port, "/503"), 503, "answered 503"},
		"600":                 {httpProbe(port, "/600"), 502, "answered 600"},
		"header":              {httpProbe(port, "/header", proxyconfig.Header{Name: "hOst", Value: "shop.example"}, proxyconfig.Header{Name: "X-Key", Value: "v"}), 200, "answered 200"},
		"header of its own":   {httpProbe(port, "/own-agent", proxyconfig.Header{Name: "user-agent", Value: "mine"}, proxyconfig.Header{Name: "Accept"}), 200, "answered 200"},
		"query":               {httpProbe(port, "/query?a=b"), 200, "answered 200"},
		"path of a URL":       {httpProbe(port, "http://user@127.0.0.1:1/200"), 200, "answered 200"},
		"path of another":     {httpProbe(port, "//127.0.0.1:1/200"), 200, "answered 200"},
		"redirect within":     {httpProbe(port, "/here"), 500, "answered 500"},
		"redirect elsewhere":  {httpProbe(port, "/elsewhere"), 200, "answered 302"},
		"redirect to us":      {httpProbe(port, "/proxy"), 200, "answered 302"},
		"redirect for ever":   {httpProbe(port, "/round"), 503, "redirects"},
		"nobody listens":      {httpProbe(portOf(closed), "/200"), 503, "refused"},
		"host that is named":  {named, 200, "answered 200"},
		"the proxy itself":    {httpProbe(naming.PortAdmin, "/readyz"), 503, "proxy's own"},
		"the proxy by name":   {loopback, 503, "proxy's own"},
		"no answer in time":   {short, 503, "deadline exceeded"},
		"nothing to do":       {proxyconfig.Probe{}, 503, "nothing to do"},
		"body stays with app": {httpProbe(port, "/secret"), 500, "answered 500\n"},
	}
	var probes []proxyconfig.Probe
	for name, test := range tests {
		test.probe = appHealth(strings.ReplaceAll(name, " ", "-"), test.probe)
		if name == "no answer in time" {
			test.probe.TimeoutSeconds = 1
		}
		probes = append(probes, test.probe)
	}
	base := "http://" + start(t, options(probes...))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, body := get(t, base+naming.PathAppHealth+strings.ReplaceAll(name, " ", "-"))
			if status != test.status || !strings.Contains(body, test.text) || strings.Contains(body, "password") {
				t.Errorf("%d %q, want %d %q", status, body, test.status, test.text)
			}
		})
	}
}

func TestHTTPSIsNotVerified(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	config := certificates.TLS.Clone()
	certificates.Close()
	for name, protocols := range map[string][]string{"HTTP/1": {"http/1.1"}, "HTTP/2": {"h2"}} {
		port := application(t, func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != int(name[len(name)-1]-'0') {
				w.WriteHeader(http.StatusTeapot)
			}
		}, func(s *http.Server, l net.Listener) error {
			s.TLSConfig = &tls.Config{Certificates: config.Certificates, NextProtos: protocols}
			return s.ServeTLS(l, "", "")
		})
		probe := appHealth("x", httpProbe(port, "/"))
		probe.HTTPGet.Scheme = "HTTPS"
		if status, body := get(t, "http://"+start(t, options(probe))+probe.Path); status != 200 {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
}

func TestTCPSocket(t *testing.T) {
	listener := listen(t)
	defer listener.Close()
	closed := listen(t)
	_ = closed.Close()
	base := "http://" + start(t, options(
		appHealth("open", proxyconfig.Probe{TCPSocket: &proxyconfig.TCPProbe{Port: portOf(listener)}}),
		appHealth("closed", proxyconfig.Probe{TCPSocket: &proxyconfig.TCPProbe{Port: portOf(closed)}}),
		appHealth("ours", proxyconfig.Probe{TCPSocket: &proxyconfig.TCPProbe{Port: naming.PortInbound}}),
	))
	for path, want := range map[string]int{"open": 200, "closed": 503, "ours": 503} {
		if status, body := get(t, base+naming.PathAppHealth+path); status != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
}

// TestHooks: kubelet takes any answer to a hook for success, and no answer for failure.
func TestHooks(t *testing.T) {
	port := application(t, seen, plain)
	closed := listen(t)
	_ = closed.Close()
	hook := func(name string, probe proxyconfig.Probe) proxyconfig.Probe {
		probe.Path = naming.PathAppLifecycle + name
		return probe
	}
	base := "http://" + start(t, options(
		hook("good", httpProbe(port, "/200")), hook("bad", httpProbe(port, "/500")), hook("closed", httpProbe(portOf(closed), "/")),
	))
	for path, want := range map[string]int{"good": 200, "bad": 200, "closed": 0} {
		if status, body := get(t, base+naming.PathAppLifecycle+path); status != want {
			t.Errorf("%s: %d %q, want %d", path, status, body, want)
		}
	}
}

// TestHookEndsWithItsCaller: a hook has no limit of its own, so it must not outlive who waits for it.
func TestHookEndsWithItsCaller(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	port := application(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}, plain)
	probe := httpProbe(port, "/")
	probe.Path = naming.PathAppLifecycle + "app/prestopz"
	url := "http://" + start(t, options(probe)) + probe.Path
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-began
		cancel()
	}()
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Errorf("answered %d", response.StatusCode)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the application is still asked")
	}
}
