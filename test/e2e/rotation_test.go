package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// TestRenewedCertificatesFailNoRequest: when every certificate that the load began with has expired, its connections prove
// their successors, and no request has failed, whatever other tests did to the cluster meanwhile.
func TestRenewedCertificatesFailNoRequest(t *testing.T) {
	t.Parallel()
	p := &place{t, nsLoad}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("what was there is in", bundle(context.WithoutCancel(t.Context()), t.Name(), nsLoad))
		}
	})
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(time.Until(world.loadUntil)):
	}
	p.eventually("the client proves the certificate that is in force", func() error {
		chain, err := world.chainOf(t.Context(), nsLoad, "default")
		if err != nil {
			return err
		}
		if !chain[0].NotAfter.After(world.firstExpiry) {
			return fmt.Errorf("it expired at %s", chain[0].NotAfter)
		}
		return p.proves("deployment/client", "http://web/", chain[0])
	})
	p.noneFailed("deployment/client")
}

// proves: the server at the URL, asked by the pod, was shown the certificate.
func (p *place) proves(pod, url string, certificate *x509.Certificate) error {
	sum := sha256.Sum256(certificate.Raw)
	answer, err := p.get(pod, url)
	if err == nil && !strings.Contains(answer, "Hash="+hex.EncodeToString(sum[:])) {
		return fmt.Errorf("it was another one: %s", answer)
	}
	return err
}

// chainOf is what a ServiceAccount proves itself with now, its own certificate first.
func (t tools) chainOf(ctx context.Context, namespace, account string) ([]*x509.Certificate, error) {
	out, err := t.kubectl(ctx, "", "--namespace="+namespace, "get", "secret", naming.IdentitySecret(account), `--output=jsonpath={.data.tls\.crt}`)
	if err != nil {
		return nil, err
	}
	return parseChain(out)
}

// parseChain reads certificates as a Secret has them.
func parseChain(data string) ([]*x509.Certificate, error) {
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, err
	}
	return pki.ParseCertificates(text)
}
