package netns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// deliverEvery is how often a hasty kubelet looks.
const deliverEvery = 250 * time.Millisecond

// ownCA: a CA that somebody brings takes the place of the operator's under load. The operator's steps are its own; it only
// waits less for kubelet, which is as much faster here. HTTP connections are made anew in time; bytes that came by the former CA
// are cut in the end.
func (s *shop) ownCA(t *testing.T) {
	traffic := newBriefLoad(t, s.orders, s.address)
	traffic.keptHTTP(t, s.orders, s.address)
	var former net.Conn
	holder := s.holder(t, "orders")
	if err := s.knocks(t, holder, &former); err != nil {
		t.Fatal(err)
	}
	s.deliverAlways(t, s.server, s.orders, s.guest)
	ca := newCA(t, "brought")
	files, err := ca.Files()
	if err != nil {
		t.Fatal(err)
	}
	s.create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: "brought"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{naming.FileCert: files.Cert, naming.FileKey: files.Key, naming.FileCA: files.CA},
	})
	s.trust(t, func(domain *v1alpha1.TrustDomain) { domain.Spec.CA.SecretName = "brought" })
	eventually(t, "the new CA signs and nothing else is trusted", func() error { return s.settledOn(t.Context(), ca) })
	s.delivered(t, func(roots []byte) bool { return string(roots) == string(pki.EncodeCertificates(ca.Roots...)) })
	closes(t, former)
	if err := s.knocks(t, holder, nil); err == nil {
		t.Error("a certificate of the former CA is good for something")
	}
	if err := errors.Join(s.serves(t), s.proves(t, s.orders, "orders")); err != nil {
		t.Error(err)
	}
	traffic.wantNoFailure(t)
}

// holder is what a ServiceAccount shows now.
func (s *shop) holder(t *testing.T, account string) tls.Certificate {
	t.Helper()
	secret, err := s.identity(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(secret.Data[naming.FileCert], secret.Data[naming.FileKey])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// deliverAlways is a kubelet until the test ends.
func (s *shop) deliverAlways(t *testing.T, pods ...*kubelet.Pod) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := refresh(ctx, pods...); err != nil && ctx.Err() == nil {
				t.Errorf("refreshing volumes: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(deliverEvery):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// settledOn is nil when a CA signs and its root is the only one that is trusted.
func (s *shop) settledOn(ctx context.Context, ca *pki.CA) error {
	domain, err := s.trustDomain(ctx)
	if err != nil {
		return err
	}
	settled := meta.FindStatusCondition(domain.Status.Conditions, v1alpha1.ConditionRootsSettled)
	signer := domain.Status.Signer
	if settled == nil || settled.Status != metav1.ConditionTrue || signer == nil || signer.SerialNumber != ca.Signer.SerialNumber.Text(16) {
		return fmt.Errorf("signer %+v, settled %+v", signer, settled)
	}
	return nil
}
