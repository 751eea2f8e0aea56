package webhooks

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/warifu/warifu/internal/naming"
)

// secretReader is a cache with one Secret, or an error.
type secretReader struct {
	secret corev1.Secret
	err    error
}

func (r *secretReader) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
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
