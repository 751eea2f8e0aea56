package netns

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// refresh brings the volumes of pods up to date, as kubelet does every minute or so.
func refresh(ctx context.Context, pods ...*kubelet.Pod) error {
	for _, pod := range pods {
		if err := pod.Refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

// identity reads the identity Secret of a ServiceAccount.
func (s *shop) identity(ctx context.Context, account string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	return secret, s.Client.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: naming.IdentitySecret(account)}, secret)
}

// leaf is the certificate that was issued to a ServiceAccount last.
func (s *shop) leaf(ctx context.Context, account string) (*x509.Certificate, error) {
	secret, err := s.identity(ctx, account)
	if err != nil {
		return nil, err
	}
	chain, err := pki.ParseCertificates(secret.Data[naming.FileCert])
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

// reissue has the identities of ServiceAccounts issued anew, by deleting what they have.
func (s *shop) reissue(t *testing.T, accounts ...string) {
	t.Helper()
	for _, account := range accounts {
		former, err := s.identity(t.Context(), account)
		if err == nil {
			err = s.Client.Delete(t.Context(), former)
		}
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "another certificate for "+account, func() error {
			now, err := s.identity(t.Context(), account)
			if err == nil && now.UID == former.UID {
				err = errors.New("it is still the former one")
			}
			return err
		})
	}
}

// serves is nil when the server's proxy shows the certificate that was issued last.
func (s *shop) serves(t *testing.T) error {
	t.Helper()
	want, err := s.leaf(t.Context(), "payments")
	if err != nil {
		return err
	}
	socket, err := dial(t, s.stranger, s.server.Net.IPv4, appEcho)
	if err != nil {
		return err
	}
	defer socket.Close()
	conn := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{naming.ALPN}})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		return err
	}
	if shown := conn.ConnectionState().PeerCertificates[0]; !shown.Equal(want) {
		return fmt.Errorf("it shows serial number %x, want %x", shown.SerialNumber, want.SerialNumber)
	}
	return nil
}

// proves is nil when a client's proxy shows the certificate that was issued last.
func (s *shop) proves(t *testing.T, client *kubelet.Pod, account string) error {
	t.Helper()
	want, err := s.leaf(t.Context(), account)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(want.Raw)
	if got := ask(t, client, s.address, "/", nil); got.err != nil || !strings.Contains(strings.Join(got.seen.XFCC, ","), hex.EncodeToString(hash[:])) {
		return fmt.Errorf("the server is told %q, want %x: %w", got.seen.XFCC, hash, got.err)
	}
	return nil
}
