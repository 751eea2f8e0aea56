package webhooks

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	admissionregistrationv1ac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// configuration is a webhook configuration as far as its caBundles are concerned.
type configuration struct {
	name string
	uid  types.UID
	// entries in their order, with their bundles.
	entries []entry
	// apply makes the change that gives each entry a bundle.
	apply func(bundle []byte) runtime.ApplyConfiguration
}

type entry struct {
	name   string
	bundle []byte
}

// configurations reads both webhook configurations; one that is not installed is left out.
func configurations(ctx context.Context, reader Reader) ([]configuration, error) {
	var out []configuration
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	switch err := reader.Get(ctx, client.ObjectKey{Name: naming.WebhookMutating}, &mutating); {
	case err == nil:
		out = append(out, mutatingConfiguration(&mutating))
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("reading MutatingWebhookConfiguration %s: %w", naming.WebhookMutating, err)
	}
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	switch err := reader.Get(ctx, client.ObjectKey{Name: naming.WebhookValidator}, &validating); {
	case err == nil:
		out = append(out, validatingConfiguration(&validating))
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("reading ValidatingWebhookConfiguration %s: %w", naming.WebhookValidator, err)
	}
	return out, nil
}

func mutatingConfiguration(o *admissionregistrationv1.MutatingWebhookConfiguration) configuration {
	c := configuration{name: o.Name, uid: o.UID}
	for _, w := range o.Webhooks {
		c.entries = append(c.entries, entry{w.Name, w.ClientConfig.CABundle})
	}
	c.apply = func(bundle []byte) runtime.ApplyConfiguration {
		out := admissionregistrationv1ac.MutatingWebhookConfiguration(c.name).WithUID(c.uid)
		for _, e := range c.entries {
			out.WithWebhooks(admissionregistrationv1ac.MutatingWebhook().WithName(e.name).
				WithClientConfig(admissionregistrationv1ac.WebhookClientConfig().WithCABundle(bundle...)))
		}
		return out
	}
	return c
}

func validatingConfiguration(o *admissionregistrationv1.ValidatingWebhookConfiguration) configuration {
	c := configuration{name: o.Name, uid: o.UID}
	for _, w := range o.Webhooks {
		c.entries = append(c.entries, entry{w.Name, w.ClientConfig.CABundle})
	}
	c.apply = func(bundle []byte) runtime.ApplyConfiguration {
		out := admissionregistrationv1ac.ValidatingWebhookConfiguration(c.name).WithUID(c.uid)
		for _, e := range c.entries {
			out.WithWebhooks(admissionregistrationv1ac.ValidatingWebhook().WithName(e.name).
				WithClientConfig(admissionregistrationv1ac.WebhookClientConfig().WithCABundle(bundle...)))
		}
		return out
	}
	return c
}

// trustedBy are the certificates that any entry trusts now.
func trustedBy(configurations []configuration) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range configurations {
		for _, e := range c.entries {
			for _, cert := range parseBundle(e.bundle) {
				if !slices.ContainsFunc(out, cert.Equal) {
					out = append(out, cert)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b *x509.Certificate) int { return b.NotAfter.Compare(a.NotAfter) })
	return out
}

// published tells whether every entry has exactly the bundle.
func (c configuration) published(bundle []byte) bool {
	return !slices.ContainsFunc(c.entries, func(e entry) bool { return !bytes.Equal(e.bundle, bundle) })
}

// distrusts names an entry by whose bundle the certificate does not verify.
func (c configuration) distrusts(leaf *x509.Certificate) (name string, ok bool) {
	for _, e := range c.entries {
		if !slices.ContainsFunc(parseBundle(e.bundle), func(ca *x509.Certificate) bool { return leaf.CheckSignatureFrom(ca) == nil }) {
			return e.name, true
		}
	}
	return "", false
}

func encodeBundle(m material) []byte { return pki.EncodeCertificates(m.bundle()...) }
