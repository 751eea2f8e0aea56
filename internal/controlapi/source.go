package controlapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
)

// cacheTimeout bounds the wait for the cache while a replica starts; afterwards reads are of memory.
const cacheTimeout = 2 * time.Second

// IdentitySource is the operator's own identity: the identity Secret of its ServiceAccount, which the leader keeps like every
// other. Each replica looks at the cached Secret at every handshake, so that what was renewed is used at once; a Secret that
// is gone or garbled leaves the last good one in use.
type IdentitySource struct {
	cached Getter
	key    client.ObjectKey
	id     identity.ID

	mu       sync.Mutex
	version  string // of the Secret that was looked at last
	material *mtls.Material
	err      error // of that Secret
}

var _ mtls.Source = (*IdentitySource)(nil)

// NewIdentitySource is the source of an identity, read from the cache.
func NewIdentitySource(cached Getter, id identity.ID) *IdentitySource {
	return &IdentitySource{cached: cached, id: id, key: client.ObjectKey{
		Namespace: id.Namespace(), Name: naming.IdentitySecret(id.ServiceAccount()),
	}}
}

// Material implements mtls.Source.
func (s *IdentitySource) Material() (*mtls.Material, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cacheTimeout)
	defer cancel()
	secret := &corev1.Secret{}
	readErr := s.cached.Get(ctx, s.key, secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	if readErr == nil && (secret.ResourceVersion != s.version || s.version == "") {
		s.look(secret)
	}
	if s.material == nil {
		return nil, fmt.Errorf("the operator has no identity: Secret %s: %w", s.key, errors.Join(readErr, s.err))
	}
	return s.material, nil
}

// look takes over what the Secret holds, if it is the identity.
func (s *IdentitySource) look(secret *corev1.Secret) {
	s.version, s.err = secret.ResourceVersion, nil
	material, err := mtls.ParseMaterial(secret.Data[naming.FileCert], secret.Data[naming.FileKey], secret.Data[naming.FileCA])
	if err == nil {
		var proves identity.ID
		if proves, err = identity.FromCertificate(material.Certificate.Leaf); err == nil && proves != s.id {
			err = fmt.Errorf("it proves %s where %s is wanted", proves, s.id)
		}
	}
	if err != nil {
		s.err = err
		return
	}
	s.material = material
}
