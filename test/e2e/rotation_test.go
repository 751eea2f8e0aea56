package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
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
	case <-time.After(time.Until(world.firstExpiry)):
	}
	p.eventually("the client proves the certificate that is in force", func() error {
		leaf, err := world.certificateOf(t.Context(), nsLoad, "default")
		if err != nil {
			return err
		}
		if !leaf.NotAfter.After(world.firstExpiry) {
			return fmt.Errorf("it expired at %s", leaf.NotAfter)
		}
		sum := sha256.Sum256(leaf.Raw)
		answer, err := p.get("deployment/client", "http://web/")
		if err == nil && !strings.Contains(answer, "Hash="+hex.EncodeToString(sum[:])) {
			return fmt.Errorf("it is another one: %s", answer)
		}
		return err
	})
	p.noneFailed("deployment/client")
}

// certificateOf is the certificate of a ServiceAccount that is in force.
func (t tools) certificateOf(ctx context.Context, namespace, account string) (*x509.Certificate, error) {
	out, err := t.kubectl(ctx, "", "--namespace="+namespace, "get", "secret", naming.IdentitySecret(account), `--output=jsonpath={.data.tls\.crt}`)
	if err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(out)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the identity has no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
