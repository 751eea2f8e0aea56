package certmanager

import (
	"context"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func TestCertificatesAreIssued(t *testing.T) {
	c := cluster.Require(t)
	Require(t, c, Options{Approve: true})
	namespace := c.Namespace(t, nil)
	name := metav1.ObjectMeta{Namespace: namespace, Name: "self"}
	objects := []client.Object{
		&certmanagerv1.Issuer{ObjectMeta: name, Spec: certmanagerv1.IssuerSpec{IssuerConfig: certmanagerv1.IssuerConfig{SelfSigned: &certmanagerv1.SelfSignedIssuer{}}}},
		&certmanagerv1.Certificate{ObjectMeta: name, Spec: certmanagerv1.CertificateSpec{
			CommonName: "self", SecretName: "self", IssuerRef: cmmeta.IssuerReference{Name: "self"},
		}},
	}
	for _, object := range objects {
		if err := c.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		secret := &corev1.Secret{}
		err := c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "self"}, secret)
		return err == nil && len(secret.Data[corev1.TLSCertKey]) > 0, client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Errorf("Secret of the Certificate: %v", err)
	}
}
