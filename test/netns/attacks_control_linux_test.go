package netns

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// controlAPI: what a proxy is told is told to that pod's proxy alone. guest's process stands still meanwhile, which it survives.
func (a *arena) controlAPI(t *testing.T) {
	if err := a.guest.Proxy().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	guest, orders := a.certificateOf(t, "guest"), a.certificateOf(t, "orders")
	own := a.token(t, a.guest, naming.ControlAudience)
	for _, tc := range []struct {
		name        string
		certificate *tls.Certificate
		token       string
		want        int // 0: no connection
	}{
		{"no certificate", nil, own, 0},
		{"a certificate of another CA", ca.New(t).Sign(t, ca.Template(a.id("guest"))), own, 0},
		{"a certificate of another trust domain", a.genuine(t, "spiffe://other.example/ns/x/sa/guest"), own, 0},
		{"no token", guest, "", http.StatusUnauthorized},
		{"a token that is none", guest, "x.y.z", http.StatusUnauthorized},
		{"a token for another audience", guest, a.token(t, a.guest, "https://kubernetes.default.svc"), http.StatusUnauthorized},
		{"another pod's token", guest, a.token(t, a.orders, naming.ControlAudience), http.StatusForbidden},
		{"another ServiceAccount's certificate", orders, own, http.StatusForbidden},
		{"a token of no pod", guest, a.token(t, nil, naming.ControlAudience), http.StatusForbidden},
		{"a token of a pod without a proxy", a.genuine(t, a.id("stranger")), a.token(t, a.stranger, naming.ControlAudience), http.StatusForbidden},
	} {
		response, err := a.stream(t, tc.certificate, tc.token, http.MethodPost, wire.PathStream, "")
		if tc.want == 0 && err != nil {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if response.StatusCode != tc.want {
			t.Errorf("%s: status %d, want %d", tc.name, response.StatusCode, tc.want)
		}
		_ = response.Body.Close()
	}
	for _, path := range []string{wire.PathAcknowledgements, "/", "/debug/pprof/", "/metrics", "/v1/stream"} {
		response, err := a.stream(t, guest, own, http.MethodGet, path, "")
		if err != nil {
			t.Error(err)
			continue
		}
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("GET %s: status %d", path, response.StatusCode)
		}
		_ = response.Body.Close()
	}
	a.scan(t, guest, own)
	if err := a.guest.Proxy().Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "guest has its stream again", func() error {
		if got := a.sayHTTP1(t, a.guest, forged{}); got != "200" {
			return fmt.Errorf("status %s", got)
		}
		return nil
	})
}

// scan asks about far more addresses than a pod dials. What is told is guest's configuration, and no more addresses than the limit.
func (a *arena) scan(t *testing.T, certificate *tls.Certificate, token string) {
	const burst, rate, lines, each = 1100, 20, 6, 400
	var text strings.Builder
	next := netip.MustParseAddr("10.0.0.1")
	for range lines {
		var ask proxyconfig.Ask
		for range each {
			ask.Watch = append(ask.Watch, netip.AddrPortFrom(next, 80))
			next = next.Next()
		}
		line, err := wire.Encode(ask)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(line)
	}
	began := time.Now()
	response, err := a.stream(t, certificate, token, http.MethodPost, wire.PathStream, text.String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("guest's own certificate and token: status %d", response.StatusCode)
	}
	told, identity := 0, ""
	for from := json.NewDecoder(response.Body); time.Since(began) < 3*time.Second && told < lines*each; {
		var tell proxyconfig.Tell
		if err := from.Decode(&tell); err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		told += len(tell.Addresses)
		if tell.Config != nil {
			identity = tell.Config.Identity
		}
	}
	if most := burst + int(rate*time.Since(began).Seconds()) + 1; told > most || told < burst {
		t.Errorf("%d addresses were told within %s, want %d to %d", told, time.Since(began), burst, most)
	}
	if identity != a.id("guest") {
		t.Errorf("the configuration is that of %q", identity)
	}
}

// stream sends a request from the pod without a proxy; to the stream a hello goes first.
func (a *arena) stream(t *testing.T, certificate *tls.Certificate, token, method, path, lines string) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	t.Cleanup(cancel)
	config := shows(certificate, "h2")
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := a.stranger.Net.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, config)
		return secure, secure.HandshakeContext(ctx)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	hello, err := wire.Encode(proxyconfig.Ask{Hello: &proxyconfig.Hello{Schema: proxyconfig.SchemaVersion, Version: "attack"}})
	if err != nil {
		t.Fatal(err)
	}
	body := io.Reader(http.NoBody)
	if method == http.MethodPost {
		body = strings.NewReader(string(hello) + lines)
	}
	address := netip.AddrPortFrom(a.network.HostIPv4, naming.PortControl).String()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return transport.RoundTrip(request)
}

// certificateOf is the one that the pods of an account have.
func (a *arena) certificateOf(t *testing.T, account string) *tls.Certificate {
	t.Helper()
	var secret corev1.Secret
	if err := a.Client.Get(t.Context(), client.ObjectKey{Namespace: a.namespace, Name: naming.IdentitySecret(account)}, &secret); err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(secret.Data[naming.FileCert], secret.Data[naming.FileKey])
	if err != nil {
		t.Fatal(err)
	}
	return &certificate
}

// token is one of a pod for an audience; of guest's ServiceAccount alone without a pod.
func (a *arena) token(t *testing.T, pod *kubelet.Pod, audience string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	account := "guest"
	if pod != nil {
		object := pod.Object()
		account = object.Spec.ServiceAccountName
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: object.Name, UID: object.UID}
	}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: account}}
	if err := a.Client.SubResource("token").Create(t.Context(), of, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}
