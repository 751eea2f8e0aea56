package issuer

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

var secrets = schema.GroupResource{Resource: "secrets"}

// store is an API server with room for Secrets, which can be down.
type store struct {
	mu      sync.Mutex
	secrets map[client.ObjectKey]*corev1.Secret
	created int
	down    error
}

func newStore() *store { return &store{secrets: map[client.ObjectKey]*corev1.Secret{}} }

func (s *store) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	found, ok := s.secrets[key]
	if !ok {
		return apierrors.NewNotFound(secrets, key.Name)
	}
	found.DeepCopyInto(object.(*corev1.Secret))
	return nil
}

func (s *store) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	if _, ok := s.secrets[key]; ok {
		return apierrors.NewAlreadyExists(secrets, key.Name)
	}
	s.created++
	s.secrets[key] = object.(*corev1.Secret).DeepCopy()
	return nil
}

// late is a replica's view that misses the Secret the first time, as when two start at once.
type late struct {
	*store
	missed bool
}

func (l *late) Get(ctx context.Context, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
	if !l.missed {
		l.missed = true
		return apierrors.NewNotFound(secrets, key.Name)
	}
	return l.store.Get(ctx, key, object, o...)
}

func newBuiltin(reader Getter, s *store, now *time.Time) *Builtin {
	return NewBuiltin(BuiltinOptions{
		Namespace: "warifu-system", TrustDomain: "cluster.local", Reader: reader, Creator: s, Now: func() time.Time { return *now },
	})
}

var (
	firstStart = CASource{SecretName: naming.SecretCA, Make: true, Lifetime: 240 * time.Hour}
	later      = CASource{SecretName: naming.SecretCA, Lifetime: 240 * time.Hour}
	caKey      = client.ObjectKey{Namespace: "warifu-system", Name: naming.SecretCA}
)

// signs asks for a certificate and returns the reason why there is none, "" when there is one.
func signs(t *testing.T, b *Builtin) (Reason, error) {
	t.Helper()
	id, err := identity.New("cluster.local", "shop", "cart")
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := b.Issue(t.Context(), Request{ID: id, Key: key, Lifetime: time.Hour})
	if err == nil && len(chain) == 0 {
		t.Fatal("no certificate and no error")
	}
	return ReasonOf(err), err
}

func TestFirstStart(t *testing.T) {
	s, now := newStore(), noon
	b := newBuiltin(s, s, &now)
	if reason, _ := signs(t, b); reason != CANotLoaded {
		t.Errorf("before Load: %q", reason)
	}
	if err := b.Load(t.Context(), firstStart); err != nil {
		t.Fatal(err)
	}
	if _, err := signs(t, b); err != nil {
		t.Error(err)
	}
	secret := s.secrets[caKey]
	if secret.Type != corev1.SecretTypeTLS || len(secret.Data) != 3 || secret.Labels[naming.LabelKind] != naming.KindCA || secret.Labels[naming.LabelManagedBy] != naming.ManagedBy {
		t.Errorf("the CA's Secret: %v %v", secret.Type, secret.Labels)
	}
	again := newBuiltin(s, s, &now)
	if err := again.Load(t.Context(), firstStart); err != nil || s.created != 1 {
		t.Errorf("second start: %v, %d CAs made", err, s.created)
	}
}

func TestTwoReplicasAgree(t *testing.T) {
	s, now := newStore(), noon
	first, second := newBuiltin(s, s, &now), newBuiltin(&late{store: s}, s, &now)
	for _, b := range []*Builtin{first, second} {
		if err := b.Load(t.Context(), firstStart); err != nil {
			t.Fatal(err)
		}
	}
	a, err := first.Authority()
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Authority()
	if err != nil {
		t.Fatal(err)
	}
	if s.created != 1 || !a.Signer.Equal(b.Signer) {
		t.Errorf("%d CAs made", s.created)
	}
}

// TestCAGoesBad: whatever happens to the Secret, it is not written, and nothing is signed until it is back.
func TestCAGoesBad(t *testing.T) {
	now := noon
	other := newStore()
	if err := newBuiltin(other, other, &now).Load(t.Context(), firstStart); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		spoil  func(*store)
		source CASource
		want   Reason
	}{
		"key garbled":         {func(s *store) { s.secrets[caKey].Data[naming.FileKey] = []byte("x") }, firstStart, CAUnreadable},
		"key of another CA":   {func(s *store) { s.secrets[caKey].Data[naming.FileKey] = other.secrets[caKey].Data[naming.FileKey] }, firstStart, CAUnreadable},
		"roots missing":       {func(s *store) { delete(s.secrets[caKey].Data, naming.FileCA) }, firstStart, CAUnreadable},
		"emptied":             {func(s *store) { s.secrets[caKey].Data = nil }, firstStart, CAUnreadable},
		"roots of another CA": {func(s *store) { s.secrets[caKey].Data[naming.FileCA] = other.secrets[caKey].Data[naming.FileCA] }, firstStart, CAUnusable},
		"expired":             {func(*store) { now = noon.Add(240 * time.Hour) }, firstStart, CAUnusable},
		"gone":                {func(s *store) { delete(s.secrets, caKey) }, later, CAMissing},
		"to be brought":       {func(*store) {}, CASource{SecretName: "ours", Make: true}, CAMissing},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now = noon
			s := newStore()
			b := newBuiltin(s, s, &now)
			if err := b.Load(t.Context(), firstStart); err != nil {
				t.Fatal(err)
			}
			good := s.secrets[caKey].DeepCopy()
			test.spoil(s)
			spoilt := s.secrets[caKey].DeepCopy()
			if err := b.Load(t.Context(), test.source); ReasonOf(err) != test.want {
				t.Errorf("Load: %v, want %s", err, test.want)
			}
			if reason, err := signs(t, b); reason != test.want {
				t.Errorf("Issue: %v, want %s", err, test.want)
			}
			if _, err := b.Authority(); ReasonOf(err) != test.want {
				t.Errorf("Authority: %v, want %s", err, test.want)
			}
			if s.created != 1 || spoilt != nil && !bytes.Equal(spoilt.Data[naming.FileKey], s.secrets[caKey].Data[naming.FileKey]) {
				t.Error("the CA's Secret was written")
			}
			now = noon
			s.secrets[caKey] = good
			if err := b.Load(t.Context(), later); err != nil {
				t.Fatal(err)
			}
			if _, err := signs(t, b); err != nil {
				t.Errorf("no recovery: %v", err)
			}
		})
	}
}

// TestAPIServerDown: what is loaded stays in use.
func TestAPIServerDown(t *testing.T) {
	s, now := newStore(), noon
	b := newBuiltin(s, s, &now)
	if err := b.Load(t.Context(), firstStart); err != nil {
		t.Fatal(err)
	}
	s.down = errors.New("connection refused")
	if err := b.Load(t.Context(), later); !errors.Is(err, s.down) || ReasonOf(err) != "" {
		t.Errorf("Load: %v", err)
	}
	if _, err := signs(t, b); err != nil {
		t.Errorf("a CA in memory is given up because the API server is away: %v", err)
	}
}

// TestExpiryWithoutLoad: a CA that expires between two Loads signs no more.
func TestExpiryWithoutLoad(t *testing.T) {
	s, now := newStore(), noon
	b := newBuiltin(s, s, &now)
	if err := b.Load(t.Context(), firstStart); err != nil {
		t.Fatal(err)
	}
	now = noon.Add(241 * time.Hour)
	if _, err := signs(t, b); err == nil {
		t.Error("an expired CA signs")
	}
}
