package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/warifu/warifu/internal/naming"
)

// secretReader is a cache with one Secret, or an error, and one webhook configuration.
type secretReader struct {
	secret        corev1.Secret
	err           error
	configuration admissionregistrationv1.MutatingWebhookConfiguration
}

func (r *secretReader) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch o := object.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		r.configuration.DeepCopyInto(o)
		return nil
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		return apierrors.NewNotFound(admissionregistrationv1.Resource("validatingwebhookconfigurations"), key.Name)
	}
	if want := (client.ObjectKey{Namespace: "warifu-system", Name: naming.SecretWebhookCA}); key != want {
		return errors.New("another object was asked for")
	}
	r.secret.DeepCopyInto(object.(*corev1.Secret))
	return r.err
}

func TestServingCertificate(t *testing.T) {
	reader := &secretReader{err: errors.New("not found")}
	serving := NewServingCertificate(reader, "warifu-system")
	put := func(version string, m material) {
		secret, err := secretOf("warifu-system", m)
		if err != nil {
			t.Fatal(err)
		}
		reader.err, reader.secret.ResourceVersion, reader.secret.Data = nil, version, secret.Data
	}
	expect := func(when string, m material) {
		t.Helper()
		pair, err := serving.certificate(t.Context())
		if err != nil || !pair.Leaf.Equal(m.leaf) {
			t.Errorf("%s: another certificate is served (%v)", when, err)
		}
		if told := servingExpiryTold(t); !told.Equal(m.leaf.NotAfter) {
			t.Errorf("%s: the metric says that it expires at %s", when, told)
		}
	}
	if err := serving.Ready(t.Context()); err == nil {
		t.Error("ready without a certificate")
	}
	first, second := begun(t, epoch), begun(t, epoch.Add(time.Hour))
	put("1", first)
	expect("at first", first)
	put("2", second)
	expect("after renewal", second)
	reader.secret.ResourceVersion, reader.secret.Data = "3", map[string][]byte{naming.FileCert: []byte("garbage")}
	expect("while the Secret is garbled", second)
	reader.err = errors.New("not found")
	expect("while the Secret is gone", second)
	put("4", first)
	expect("after recovery", first)
}

// TestReadyWhenTrusted: nobody is sent to a replica whose certificate the API server would refuse, as after an installation that
// found an older one's Secret. Later it stays ready.
func TestReadyWhenTrusted(t *testing.T) {
	m := begun(t, epoch)
	secret, err := secretOf("warifu-system", m)
	if err != nil {
		t.Fatal(err)
	}
	entries := func(bundles ...[]byte) (c admissionregistrationv1.MutatingWebhookConfiguration) {
		c.Name = naming.WebhookMutating
		for i, bundle := range bundles {
			c.Webhooks = append(c.Webhooks, admissionregistrationv1.MutatingWebhook{
				Name: fmt.Sprintf("entry-%d", i), ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: bundle},
			})
		}
		return c
	}
	own, other := encodeBundle(m), encodeBundle(begun(t, epoch))
	for name, tc := range map[string]struct {
		configuration admissionregistrationv1.MutatingWebhookConfiguration
		refuses       string
	}{
		"no bundle":                {entries(nil), "entry-0"},
		"another CA's":             {entries(other), "entry-0"},
		"one entry is left":        {entries(own, nil), "entry-1"},
		"all":                      {entries(own, own), ""},
		"among others":             {entries(slices.Concat(other, own)), ""},
		"nothing that asks for it": {entries(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			reader := &secretReader{configuration: tc.configuration}
			reader.secret.ResourceVersion, reader.secret.Data = "1", secret.Data
			serving := NewServingCertificate(reader, "warifu-system")
			err := serving.Ready(t.Context())
			if tc.refuses == "" {
				if err != nil {
					t.Fatal(err)
				}
				reader.configuration = entries(nil)
				err = serving.Ready(t.Context())
			}
			if got := fmt.Sprint(err); (err == nil) != (tc.refuses == "") || !strings.Contains(got, tc.refuses) {
				t.Errorf("%v, want it to name %q", err, tc.refuses)
			}
		})
	}
}

// servingExpiryTold is what the metric says.
func servingExpiryTold(t *testing.T) time.Time {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "warifu_webhook_certificate_expiry_timestamp_seconds" {
			return time.Unix(int64(family.GetMetric()[0].GetGauge().GetValue()), 0)
		}
	}
	t.Fatal("there is no such metric")
	return time.Time{}
}
