package issuer

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// +kubebuilder:rbac:groups="",namespace=warifu-system,resources=secrets,verbs=get;list;watch;create

// caAlgorithm of a CA that the operator makes. Every handshake verifies its signature, and P-256 verifies fastest.
const caAlgorithm = pki.ECDSAP256

// Getter reads one object from the API server. Caches will not do: a CA that somebody brought carries no label of ours and
// is in none.
type Getter interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
}

// Creator creates objects.
type Creator interface {
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
}

// BuiltinOptions are what Builtin needs.
type BuiltinOptions struct {
	// Namespace is the operator's own.
	Namespace   string
	TrustDomain identity.TrustDomain
	Reader      Getter
	Creator     Creator
	// Now is the clock.
	Now func() time.Time
}

// Builtin signs with a CA whose key is in a Secret of the operator's namespace. It signs nothing before Load has succeeded,
// and nothing after a Load that found the Secret gone or unreadable.
type Builtin struct {
	*Keeper
	options BuiltinOptions
}

var _ Signer = (*Builtin)(nil)

// NewBuiltin returns an issuer that has not loaded its CA.
func NewBuiltin(o BuiltinOptions) *Builtin {
	return &Builtin{options: o, Keeper: NewKeeper(o.Now)}
}

// CASource says where the CA is.
type CASource struct {
	// SecretName in the operator's namespace. Only under the default name, naming.SecretCA, is a CA ever made.
	SecretName string
	// Make allows a CA to be made where there is none. It is for the first start: a CA that existed and is gone must not
	// be replaced by another in silence, because nothing that runs would trust it.
	Make bool
	// Lifetime of a CA that is made.
	Lifetime time.Duration
}

// Load reads the CA from its Secret, or makes it where the source allows. An existing Secret is never written. An
// *UnusableError is kept: from then on nothing is signed. With any other error (the API server does not answer) what was
// loaded before stays in use.
func (b *Builtin) Load(ctx context.Context, source CASource) error {
	secret, err := b.fetch(ctx, source)
	if err != nil {
		return b.Keep(nil, err)
	}
	ca, err := pki.ParseCA(pki.Files{
		Cert: secret.Data[naming.FileCert], Key: secret.Data[naming.FileKey], CA: secret.Data[naming.FileCA],
	})
	if err != nil {
		return b.Keep(nil, &UnusableError{CAUnreadable, fmt.Sprintf(
			"Secret %s/%s: %v; restore it from a backup (tls.crt, tls.key and ca.crt in PEM), it is never overwritten",
			secret.Namespace, secret.Name, err)})
	}
	if err := ca.Usable(b.options.Now()); err != nil {
		return b.Keep(nil, &UnusableError{CAUnusable, fmt.Sprintf(
			"Secret %s/%s: %v; put a CA that may sign into it", secret.Namespace, secret.Name, err)})
	}
	if err := ca.Serves(b.options.TrustDomain, b.options.Now()); err != nil {
		return b.Keep(nil, &UnusableError{CAUnusable, fmt.Sprintf(
			"Secret %s/%s: the CA cannot sign for the trust domain %s: %v; put a CA into it that may", secret.Namespace, secret.Name, b.options.TrustDomain, err)})
	}
	return b.Keep(ca, nil)
}

// fetch returns the CA's Secret, making it where the source allows. Two replicas that start at once both find none and both
// make one; one is created, and the other replica reads the winner's.
func (b *Builtin) fetch(ctx context.Context, source CASource) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: b.options.Namespace, Name: source.SecretName}
	secret, err := b.get(ctx, key)
	if err == nil || !apierrors.IsNotFound(err) {
		return secret, err
	}
	if source.SecretName != naming.SecretCA {
		return nil, &UnusableError{CAMissing, fmt.Sprintf(
			"Secret %s does not exist; create it with tls.crt, tls.key and ca.crt of your CA, or set spec.ca.secretName to %s to have one made", key, naming.SecretCA)}
	}
	if !source.Make {
		return nil, &UnusableError{CAMissing, fmt.Sprintf(
			"Secret %s is gone, and workloads trust the CA that was in it; restore it from a backup, or delete the TrustDomain %s to begin with a new CA", key, b.options.TrustDomain)}
	}
	made, err := b.newSecret(key, source.Lifetime)
	if err != nil {
		return nil, err
	}
	err = b.options.Creator.Create(ctx, made, client.FieldOwner(naming.FieldOwner))
	if apierrors.IsAlreadyExists(err) {
		return b.get(ctx, key)
	}
	if err != nil {
		return nil, fmt.Errorf("create CA Secret %s: %w", key, err)
	}
	return made, nil
}

func (b *Builtin) get(ctx context.Context, key client.ObjectKey) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := b.options.Reader.Get(ctx, key, secret); err != nil {
		return nil, fmt.Errorf("read CA Secret %s: %w", key, err)
	}
	return secret, nil
}

func (b *Builtin) newSecret(key client.ObjectKey, lifetime time.Duration) (*corev1.Secret, error) {
	ca, err := pki.NewCA(pki.CAOptions{
		CommonName: string(b.options.TrustDomain) + " workload CA", Algorithm: caAlgorithm, Lifetime: lifetime,
	}, b.options.Now())
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	files, err := ca.Files()
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name,
			Labels: map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindCA},
		},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{naming.FileCert: files.Cert, naming.FileKey: files.Key, naming.FileCA: files.CA},
	}, nil
}
