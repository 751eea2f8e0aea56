package controllers

import (
	"maps"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/issuer/certmanager"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// order is a situation: a Certificate in order, the Secret that cert-manager wrote, and the identity Secret with the same.
type order struct {
	facts       identityFacts
	certificate *certmanagerv1.Certificate
	// signs makes what cert-manager issues for the identity at a time.
	signs func(at time.Time, life time.Duration) map[string][]byte
}

func newOrder(t *testing.T) *order {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "mesh", Algorithm: pki.ECDSAP256, Lifetime: 240 * time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	sa, _, want := certified(t)
	want.Authority = pki.Authority{Roots: ca.Roots, Accepted: ca.Roots}
	o := &order{}
	o.signs = func(at time.Time, life time.Duration) map[string][]byte {
		key := newKey(t)
		cert, err := ca.SignWorkload(pki.WorkloadRequest{ID: want.ID, PublicKey: key.Public(), Lifetime: life}, at)
		if err != nil {
			t.Fatal(err)
		}
		keyPEM, err := pki.EncodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{naming.FileCert: pki.EncodeCertificates(cert), naming.FileKey: keyPEM}
	}
	issued := certmanager.IssuedSecret(sa, want.ID)
	issued.Data = o.signs(noon, 24*time.Hour)
	held := map[string][]byte{naming.FileCA: pki.EncodeCertificates(ca.Roots...)}
	maps.Copy(held, issued.Data)
	secret := newIdentitySecret(sa, pki.Files{})
	secret.Data = held
	o.certificate = certmanager.LeafCertificate(certmanager.LeafRequest{
		ServiceAccount: sa, ID: want.ID, Algorithm: want.Algorithm, Lifetime: want.Lifetime, Issuer: certmanager.Reference{Name: "mesh", Kind: "ClusterIssuer", Group: "cert-manager.io"},
	})
	o.state("Ready", cmmeta.ConditionTrue, "Ready", noon)
	o.facts = identityFacts{ServiceAccount: sa, Wanted: true, Secret: secret, Issued: issued, Want: want, Ordering: true, Now: noon}
	return o
}

// state sets a condition of the Certificate.
func (o *order) state(kind certmanagerv1.CertificateConditionType, status cmmeta.ConditionStatus, reason string, since time.Time) {
	at := metav1.NewTime(since)
	o.certificate.Status.Conditions = append(o.certificate.Status.Conditions, certmanagerv1.CertificateCondition{
		Type: kind, Status: status, Reason: reason, Message: "cert-manager's words", LastTransitionTime: &at, ObservedGeneration: o.certificate.Generation,
	})
}

// decide completes the facts and decides.
func (o *order) decide(held bool) identityDecision {
	want := certmanager.LeafCertificate(certmanager.LeafRequest{
		ServiceAccount: o.facts.ServiceAccount, ID: o.facts.Want.ID, Algorithm: o.facts.Want.Algorithm, Lifetime: o.facts.Want.Lifetime,
		Issuer: certmanager.Reference{Name: "mesh", Kind: "ClusterIssuer", Group: "cert-manager.io"},
	})
	o.facts.Order = newIdentityOrder(o.certificate, want, &o.facts)
	o.facts.Order.Held = held
	if o.facts.Order.Slow {
		o.facts.Order.Problem = &issuer.UnusableError{Reason: certmanager.IssuanceSlow}
	}
	return decideIdentity(o.facts)
}

func TestDecideDelivery(t *testing.T) {
	issuing := func(o *order, since time.Duration) {
		o.state("Issuing", cmmeta.ConditionTrue, "Renewing", o.facts.Now.Add(-since))
	}
	for _, tt := range []struct {
		name   string
		change func(*order)
		held   bool
		action identityAction
		reason string
	}{
		{"delivered", func(*order) {}, false, identityKeep, ""},
		{"nothing delivered yet", func(o *order) { o.facts.Secret = nil }, false, identityCreate, "Missing"},
		{"renewed", func(o *order) { o.facts.Issued.Data = o.signs(noon, 24*time.Hour) }, false, identityRenew, "RenewalDue"},
		{"spoilt by hand", func(o *order) { o.facts.Secret.Data[naming.FileKey] = nil }, false, identityRenew, "Missing"},
		{"other roots", func(o *order) { o.facts.Secret.Data[naming.FileCA] = nil }, false, identityPublish, "RootsChanged"},
		{"late is better than never", func(o *order) { o.facts.Secret, o.facts.Now = nil, noon.Add(20*time.Hour) }, false, identityCreate, "Missing"},

		{"nothing issued", func(o *order) {
			o.facts.Secret, o.facts.Issued.Data = nil, nil
			issuing(o, time.Second)
		}, false, identityAwait, "Issuing"},
		{"nothing issued for long", func(o *order) {
			o.facts.Secret, o.facts.Issued.Data = nil, nil
			issuing(o, time.Hour)
		}, false, identityFail, "IssuanceSlow"},
		{"being renewed", func(o *order) { issuing(o, time.Second) }, false, identityKeep, ""},
		{"being renewed for long", func(o *order) { issuing(o, time.Hour) }, false, identityFail, "IssuanceSlow"},
		{"cert-manager does not stir", func(o *order) { o.facts.Now = noon.Add(19 * time.Hour) }, false, identityFail, "RenewalDue"},

		{"lives too short", func(o *order) { o.facts.Issued.Data = o.signs(noon, time.Hour) }, false, identityFail, "LivesTooShort"},
		{"lives too short, and another is coming", func(o *order) {
			o.facts.Issued.Data = o.signs(noon, time.Hour)
			issuing(o, time.Second)
		}, false, identityKeep, ""},
		{"key of another", func(o *order) {
			o.facts.Issued.Data[naming.FileKey] = o.signs(noon, time.Hour)[naming.FileKey]
		}, false, identityFail, "KeyMismatch"},
		{"garbage", func(o *order) { o.facts.Issued.Data[naming.FileCert] = []byte("x") }, false, identityFail, "Unreadable"},
		{"denied", func(o *order) { o.state("Issuing", cmmeta.ConditionFalse, "Names", noon) }, false, identityFail, "RequestDenied"},
		{"failed", func(o *order) { o.state("Issuing", cmmeta.ConditionFalse, "Failed", noon) }, false, identityFail, "IssuerFailed"},
		{"answered with another key", func(o *order) { o.state("Issuing", cmmeta.ConditionFalse, "InvalidCertificate", noon) }, false, identityFail, "WrongCertificate"},
		{"failed, and what came before is delivered", func(o *order) {
			o.facts.Secret = nil
			o.state("Issuing", cmmeta.ConditionFalse, "Failed", noon)
		}, false, identityCreate, "Missing"},

		{"renewed, not trusted yet", func(o *order) { o.facts.Issued.Data = o.signs(noon, 24*time.Hour) }, true, identityKeep, ""},
		{"new, not trusted yet", func(o *order) { o.facts.Secret = nil }, true, identityAwait, "PublishingRoots"},
		{"roots come before", func(o *order) { o.facts.Secret.Data[naming.FileCA] = nil }, true, identityPublish, "RootsChanged"},
		{"somebody else's Secret", func(o *order) { o.facts.Secret.Labels = nil }, false, identityRefuse, "SecretNotOurs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOrder(t)
			tt.change(o)
			d := o.decide(tt.held)
			if d.Action != tt.action || d.Reason != tt.reason {
				t.Errorf("%s %s (%s), want %s %s", d.Action, d.Reason, d.Message, tt.action, tt.reason)
			}
			if d.Action == identityFail && d.Message == "" && d.Reason != "IssuanceSlow" {
				t.Error("a failure without a message")
			}
		})
	}
}

func TestDecideOrder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*order)
		want   orderAction
	}{
		{"all in order", func(*order) {}, orderNothing},
		{"nothing there", func(o *order) { o.facts.Issued, o.certificate = nil, nil }, orderPrepare},
		{"the Secret is gone", func(o *order) { o.facts.Issued = nil }, orderPrepare},
		{"the Secret is somebody else's", func(o *order) { o.facts.Issued.Labels = nil }, orderPrepare}, // and found not to be ours
		{"nobody owns the Secret", func(o *order) { o.facts.Issued.OwnerReferences = nil }, orderAdopt},
		{"an earlier ServiceAccount owns it", func(o *order) { o.facts.Issued.OwnerReferences[0].UID = "0" }, orderReplace},
		{"the Certificate is gone", func(o *order) { o.certificate = nil }, orderPlace},
		{"a name was added", func(o *order) { o.certificate.Spec.DNSNames = []string{"www"} }, orderPlace},
		{"an earlier ServiceAccount owns the Certificate", func(o *order) { o.certificate.OwnerReferences[0].UID = "0" }, orderPlace},
		{"the Certificate is going", func(o *order) { at := metav1.NewTime(noon); o.certificate.DeletionTimestamp = &at }, orderNothing},
		{"the Certificate is somebody else's", func(o *order) { o.certificate.Labels = nil }, orderRefuse},
		{"not wanted", func(o *order) { o.facts.Wanted, o.facts.Want = false, nil }, orderCancel},
		{"signed here", func(o *order) { o.facts.Ordering, o.facts.Signing = false, true }, orderCancel},
		{"nobody knows yet", func(o *order) { o.facts.Ordering, o.facts.Want = false, nil }, orderNothing},
		{"the issuer is unusable", func(o *order) { o.facts.Want = nil }, orderNothing},
		{"not wanted, and not ours", func(o *order) { o.facts.Wanted, o.facts.Want, o.facts.Issued.Labels = false, nil, nil }, orderNothing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOrder(t)
			want := o.certificate.DeepCopy()
			tt.change(o)
			if o.facts.Ordering && o.facts.Want != nil {
				o.facts.Order = newIdentityOrder(o.certificate, want, &o.facts)
			}
			if got := decideOrder(o.facts); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func TestWhoseIsWhatWasIssued(t *testing.T) {
	o := newOrder(t)
	for name, tt := range map[string]struct {
		change func(*corev1.Secret)
		want   int
	}{
		"ours":                     {func(*corev1.Secret) {}, 1},
		"without owner":            {func(s *corev1.Secret) { s.OwnerReferences = nil }, 1},
		"somebody else's":          {func(s *corev1.Secret) { s.Labels = nil }, 0},
		"of another namespace":     {func(s *corev1.Secret) { s.Namespace = "other" }, 0},
		"of nobody":                {func(s *corev1.Secret) { s.Annotations = nil }, 0},
		"of the wrong kind of URI": {func(s *corev1.Secret) { s.Annotations[naming.AnnotationIdentity] = "https://shop" }, 0},
	} {
		secret := o.facts.Issued.DeepCopy()
		tt.change(secret)
		if got := ofIssued(t.Context(), secret); len(got) != tt.want || tt.want == 1 && got[0].String() != "shop/cart" {
			t.Errorf("%s: %v", name, got)
		}
	}
}
