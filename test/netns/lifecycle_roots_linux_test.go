package netns

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// additionalRoot: a root that is trusted besides the CA's own lets its holders in, and once it is taken back nobody who came by
// it stays. Those who do not depend on it notice neither.
func (s *shop) additionalRoot(t *testing.T) {
	traffic := newLoad(t, s.orders, s.address)
	ca := newCA(t, "another cluster")
	holder := certificateOf(t, ca, "spiffe://cluster.local/ns/abroad/sa/visitor")
	if err := s.knocks(t, holder, nil); err == nil {
		t.Fatal("a stranger is let in")
	}
	s.trust(t, func(domain *v1alpha1.TrustDomain) {
		domain.Spec.AdditionalRoots = string(pki.EncodeCertificates(ca.Roots...))
	})
	s.delivered(t, func(roots []byte) bool { return bytes.Contains(roots, pki.EncodeCertificates(ca.Roots...)) })
	var open net.Conn
	eventually(t, "the holder of the additional root is let in", func() error { return s.knocks(t, holder, &open) })

	s.trust(t, func(domain *v1alpha1.TrustDomain) { domain.Spec.AdditionalRoots = "" })
	s.delivered(t, func(roots []byte) bool { return !bytes.Contains(roots, pki.EncodeCertificates(ca.Roots...)) })
	closes(t, open)
	if err := s.knocks(t, holder, nil); err == nil {
		t.Error("the holder of a root that is not trusted any more is let in")
	}
	traffic.wantNoFailure(t)
}

// trust changes the TrustDomain.
func (s *shop) trust(t *testing.T, change func(*v1alpha1.TrustDomain)) {
	t.Helper()
	eventually(t, "the TrustDomain is changed", func() error {
		domain, err := s.trustDomain(t.Context())
		if err != nil {
			return err
		}
		change(domain)
		return s.Client.Update(t.Context(), domain)
	})
}

func (s *shop) trustDomain(ctx context.Context) (*v1alpha1.TrustDomain, error) {
	domain := &v1alpha1.TrustDomain{}
	return domain, s.Client.Get(ctx, client.ObjectKey{Name: s.operator.TrustDomain}, domain)
}

// delivered waits until the identities trust what they should, and brings that to the pods as kubelet does.
func (s *shop) delivered(t *testing.T, right func(roots []byte) bool) {
	t.Helper()
	for _, account := range []string{"payments", "orders", "guest"} {
		eventually(t, "the roots of "+account, func() error {
			secret, err := s.identity(t.Context(), account)
			if err == nil && !right(secret.Data[naming.FileCA]) {
				err = errors.New("they are not the right ones yet")
			}
			return err
		})
	}
	if err := refresh(t.Context(), s.server, s.orders, s.guest); err != nil {
		t.Fatal(err)
	}
}

// knocks is nil when the server answers whoever shows the certificate. The connection is left open in kept, unless that is nil.
func (s *shop) knocks(t *testing.T, shown tls.Certificate, kept *net.Conn) error {
	t.Helper()
	socket, err := dial(t, s.stranger, s.server.Net.IPv4, appEcho)
	if err != nil {
		return err
	}
	conn := tls.Client(socket, &tls.Config{
		Certificates: []tls.Certificate{shown}, InsecureSkipVerify: true, NextProtos: []string{naming.ALPN},
	})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		return err
	}
	if err := echo(conn, "let me in"); err != nil { // in TLS 1.3 the client hears of a refusal only now
		return err
	}
	if kept == nil {
		return socket.Close()
	}
	*kept = conn
	return nil
}

// closes waits until the other end of a connection on which nothing is sent has closed it.
func closes(t *testing.T, conn net.Conn) {
	t.Helper()
	const atMost = 5 * time.Second // it takes one: the machine is busy
	begin := time.Now()
	_ = conn.SetReadDeadline(begin.Add(atMost))
	_, err := conn.Read(make([]byte, 1))
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection is still open after %s: %v", time.Since(begin), err)
	}
	t.Logf("closed after %s", time.Since(begin).Round(time.Millisecond))
}

// newCA makes one that Warifu knows nothing of.
func newCA(t *testing.T, name string) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: name, Algorithm: pki.ECDSAP256, Lifetime: 48 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// certificateOf has a CA sign for an identity.
func certificateOf(t *testing.T, ca *pki.CA, name string) tls.Certificate {
	t.Helper()
	id, err := identity.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.SignWorkload(pki.WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}
