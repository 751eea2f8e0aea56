package webhooks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// readTimeout bounds the wait for the cache while a replica starts; afterwards reads are of memory.
const readTimeout = 2 * time.Second

// ServingCertificate shows the API server what the leader has put into the Secret. It looks at the cached Secret on every
// handshake, so that a renewed certificate is served without a restart; a Secret that is gone or garbled leaves the last good
// certificate in service.
type ServingCertificate struct {
	cached Reader
	key    client.ObjectKey

	mu      sync.Mutex
	version string // of the Secret that was looked at last
	pair    *tls.Certificate
	err     error // of that Secret
	trusted bool  // the API server has been told to trust it
}

// NewServingCertificate serves the certificate of the operator's namespace, read from the cache.
func NewServingCertificate(cached Reader, namespace string) *ServingCertificate {
	return &ServingCertificate{cached: cached, key: client.ObjectKey{Namespace: namespace, Name: naming.SecretWebhookCA}}
}

// Configure makes a server show the certificate. It is one of the webhook server's TLSOpts.
func (s *ServingCertificate) Configure(config *tls.Config) {
	config.MinVersion = tls.VersionTLS13
	config.GetCertificate = s.GetCertificate
}

// GetCertificate is what tls.Config asks on every handshake.
func (s *ServingCertificate) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(hello.Context(), readTimeout)
	defer cancel()
	return s.certificate(ctx)
}

// Ready is nil when there is a certificate to serve that the API server has been told to trust; it is a readiness check. What is
// told once is not asked again: a replica that knows its work does not go when somebody empties a caBundle, which the leader
// writes anew.
func (s *ServingCertificate) Ready(ctx context.Context) error {
	pair, err := s.certificate(ctx)
	if err != nil || s.isTrusted() {
		return err
	}
	all, err := configurations(ctx, s.cached)
	if err != nil {
		return err
	}
	for _, c := range all {
		if name, ok := c.distrusts(pair.Leaf); ok {
			return fmt.Errorf("entry %s of webhook configuration %s does not trust the serving certificate yet: the leader writes its caBundle", name, c.name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = true
	return nil
}

func (s *ServingCertificate) isTrusted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trusted
}

func (s *ServingCertificate) certificate(ctx context.Context) (*tls.Certificate, error) {
	secret := &corev1.Secret{}
	readErr := s.cached.Get(ctx, s.key, secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	if readErr == nil && secret.ResourceVersion != s.version {
		s.look(secret)
	}
	if s.pair == nil {
		return nil, fmt.Errorf("no serving certificate in Secret %s: %w", s.key, errors.Join(readErr, s.err))
	}
	return s.pair, nil
}

// look takes over what the Secret holds, if it can be served.
func (s *ServingCertificate) look(secret *corev1.Secret) {
	s.version, s.err = secret.ResourceVersion, nil
	pair, err := tls.X509KeyPair(secret.Data[naming.FileCert], secret.Data[naming.FileKey])
	if err != nil {
		s.err = err
		return
	}
	s.pair = &pair
	servingExpiry.Set(float64(pair.Leaf.NotAfter.Unix()))
}
