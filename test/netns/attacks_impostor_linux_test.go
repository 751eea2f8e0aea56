package netns

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serversCertificates: a server that does not prove to be the one that was meant is told nothing.
func (a *arena) serversCertificates(t *testing.T) {
	const port = 9100
	impostor := a.impersonate(t, port)
	a.begins(t, fmt.Sprintf("mode: ISTIO_MUTUAL, subjectAltNames: [%q]", a.id("payments")))
	try := func(config *tls.Config) error {
		impostor.offer(config)
		conn, err := dial(t, a.orders, impostor.address, port)
		if err != nil {
			return err
		}
		defer conn.Close()
		return echo(conn, "secret")
	}
	certificates := a.spoilt(t, "payments", x509.ExtKeyUsageServerAuth)
	certificates["another name"] = a.genuine(t, a.id("guest"))
	for name, certificate := range certificates {
		if err := try(&tls.Config{Certificates: []tls.Certificate{*certificate}}); err == nil {
			t.Errorf("a server with %s is believed", name)
		}
	}
	genuine := []tls.Certificate{*a.genuine(t, a.id("payments"))}
	if err := try(&tls.Config{Certificates: genuine, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("a server with TLS 1.2 is believed")
	}
	if err := try(nil); err == nil {
		t.Error("a server in plaintext is believed")
	}
	if heard := impostor.take(); heard != "" {
		t.Errorf("the impostor hears %q", heard)
	}
	if err := try(&tls.Config{Certificates: genuine}); err != nil {
		t.Errorf("a genuine certificate is not believed: %v", err)
	}
	impostor.take()
	// What is to be believed by is not there: nobody is, and nothing is said in plaintext.
	for _, missing := range []string{
		"mode: SIMPLE", "mode: SIMPLE, caCertificates: /var/run/secrets/warifu.dev/volumes/none/ca.crt", "mode: SIMPLE, credentialName: none",
		"mode: MUTUAL, credentialName: none",
	} {
		a.begins(t, missing)
		for what, config := range map[string]*tls.Config{"TLS": {Certificates: genuine}, "plaintext": nil} {
			if err := try(config); err == nil {
				t.Errorf("%s: a server with %s is believed", missing, what)
			}
			if heard := impostor.take(); heard != "" {
				t.Errorf("%s: a server with %s hears %q", missing, what, heard)
			}
		}
	}
}

// begins says how TLS with the impostor begins, from now on.
func (a *arena) begins(t *testing.T, tls string) {
	t.Helper()
	a.apply(t, fmt.Sprintf("apiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {namespace: %s, name: impostor}\n"+
		"spec: {host: impostor, workloadSelector: {matchLabels: {app: orders}}, trafficPolicy: {tls: {%s}}}\n", a.namespace, tls))
}

// impostor is a server without a proxy that answers TLS itself, behind a Service.
type impostor struct {
	witness
	address netip.Addr
	configs chan *tls.Config
}

func (a *arena) impersonate(t *testing.T, port int32) *impostor {
	t.Helper()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "impostor"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "stranger"}, Ports: []corev1.ServicePort{{Name: "tcp", Port: port}}},
	}
	a.create(t, service)
	eventually(t, "endpoints of impostor", func() error { return a.hasEndpoint(t.Context(), a.namespace, "impostor") })
	i := &impostor{address: netip.MustParseAddr(service.Spec.ClusterIP), configs: make(chan *tls.Config, 1)}
	listener := mustListenIn(t, a.stranger, fmt.Sprintf(":%d", port))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if config := <-i.configs; config != nil {
				config.ClientAuth = tls.RequestClientCert
				conn = tls.Server(conn, config)
			}
			_, _ = io.Copy(conn, io.TeeReader(conn, appBytes{&i.witness}))
			_ = conn.Close()
		}
	}()
	return i
}

// offer decides what the next client meets.
func (i *impostor) offer(config *tls.Config) {
	select {
	case <-i.configs: // for a client that did not come
	default:
	}
	i.configs <- config
}

// appBytes are those of applications, and not of a handshake that fails.
type appBytes struct{ to io.Writer }

// Write implements io.Writer.
func (b appBytes) Write(p []byte) (int, error) {
	const alert, handshake = 21, 22 // the types of TLS records
	if p[0] == alert || p[0] == handshake {
		return len(p), nil
	}
	return b.to.Write(p)
}
