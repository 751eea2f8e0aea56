package certmanager

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// LeafRequest describes the Certificate of a ServiceAccount.
type LeafRequest struct {
	ServiceAccount *corev1.ServiceAccount
	ID             identity.ID
	Algorithm      pki.KeyAlgorithm
	Lifetime       time.Duration
	Issuer         Reference
}

// leafUsages are those of every workload certificate.
var leafUsages = []certmanagerv1.KeyUsage{
	certmanagerv1.UsageDigitalSignature, certmanagerv1.UsageServerAuth, certmanagerv1.UsageClientAuth,
}

// LeafCertificate is the Certificate that asks for an identity: one URI and no other name, a new key each time, renewed at
// half of its life give or take a tenth, so that what was made at once does not come due at once.
func LeafCertificate(r LeafRequest) *certmanagerv1.Certificate {
	name := naming.IssuedSecret(r.ServiceAccount.Name)
	return &certmanagerv1.Certificate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.ServiceAccount.Namespace, Name: name, Labels: issuedLabels(),
			OwnerReferences: []metav1.OwnerReference{ownedBy(r.ServiceAccount)},
		},
		Spec: certmanagerv1.CertificateSpec{
			URIs:       []string{r.ID.String()},
			SecretName: name,
			SecretTemplate: &certmanagerv1.CertificateSecretTemplate{
				Labels: issuedLabels(), Annotations: map[string]string{naming.AnnotationIdentity: r.ID.String()},
			},
			IssuerRef:            r.Issuer,
			Usages:               leafUsages,
			PrivateKey:           privateKey(r.Algorithm),
			Duration:             &metav1.Duration{Duration: r.Lifetime},
			RenewBefore:          &metav1.Duration{Duration: renewBefore(r.ID, r.Lifetime)},
			RevisionHistoryLimit: new(int32(1)),
		},
	}
}

// IssuedSecret is the Secret that cert-manager will write, as it is before: made ahead, so that it goes with its
// ServiceAccount, and so that there is no Certificate without it.
func IssuedSecret(sa *corev1.ServiceAccount, id identity.ID) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: sa.Namespace, Name: naming.IssuedSecret(sa.Name), Labels: issuedLabels(),
			Annotations:     map[string]string{naming.AnnotationIdentity: id.String()},
			OwnerReferences: []metav1.OwnerReference{ownedBy(sa)},
		},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{naming.FileCert: {}, naming.FileKey: {}},
	}
}

// IsIssued says that we, or cert-manager by our order, made an object for what cert-manager issues.
func IsIssued(object metav1.Object) bool {
	labels := object.GetLabels()
	return labels[naming.LabelManagedBy] == naming.ManagedBy && labels[naming.LabelKind] == naming.KindIssued
}

func issuedLabels() map[string]string {
	return map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindIssued}
}

// ownedBy does not block the owner's deletion: that would need a right on the finalizers of every ServiceAccount.
func ownedBy(sa *corev1.ServiceAccount) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: "ServiceAccount", Name: sa.Name, UID: sa.UID, Controller: new(true)}
}

// privateKey asks for a new key at each renewal.
func privateKey(algorithm pki.KeyAlgorithm) *certmanagerv1.CertificatePrivateKey {
	key := &certmanagerv1.CertificatePrivateKey{
		RotationPolicy: certmanagerv1.RotationPolicyAlways, Encoding: certmanagerv1.PKCS8,
		Algorithm: certmanagerv1.ECDSAKeyAlgorithm, Size: 256,
	}
	switch algorithm {
	case pki.ECDSAP384:
		key.Size = 384
	case pki.Ed25519:
		key.Algorithm, key.Size = certmanagerv1.Ed25519KeyAlgorithm, 0
	case pki.ECDSAP256:
	}
	return key
}

// renewBefore is half of the life, give or take a tenth of it that depends on the identity alone.
func renewBefore(id identity.ID, life time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(id.String()))
	spread := float64(binary.BigEndian.Uint32(sum[:4]))/(1<<32)*2 - 1 // [-1, 1)
	return (life/2 + time.Duration(spread*float64(life)/10)).Truncate(time.Second)
}

// intermediateCertificate is the Certificate of the operator's own CA. Leaves end with it at the latest, so it is renewed at
// half of its life.
func intermediateCertificate(namespace string, source IntermediateSource) *certmanagerv1.Certificate {
	return &certmanagerv1.Certificate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: naming.SecretIntermediate,
			Labels: map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindCA},
		},
		Spec: certmanagerv1.CertificateSpec{
			IsCA:       true,
			CommonName: "Warifu workload CA",
			Subject:    &certmanagerv1.X509Subject{Organizations: []string{"Warifu"}},
			SecretName: naming.SecretIntermediate,
			SecretTemplate: &certmanagerv1.CertificateSecretTemplate{
				Labels: map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindCA},
			},
			IssuerRef:            source.Issuer,
			Usages:               []certmanagerv1.KeyUsage{certmanagerv1.UsageCertSign, certmanagerv1.UsageCRLSign},
			PrivateKey:           privateKey(pki.ECDSAP256),
			Duration:             &metav1.Duration{Duration: source.Lifetime},
			RenewBefore:          &metav1.Duration{Duration: source.Lifetime / 2},
			RevisionHistoryLimit: new(int32(1)),
		},
	}
}

// Same says that a Certificate is as wanted, to the last field of its spec: a name that somebody added is a difference.
func Same(have, want *certmanagerv1.Certificate) bool {
	for key, value := range want.Labels {
		if have.Labels[key] != value {
			return false
		}
	}
	return equality.Semantic.DeepEqual(have.Spec, want.Spec) && equality.Semantic.DeepEqual(have.OwnerReferences, want.OwnerReferences)
}

// Corrected is what there is, made as wanted.
func Corrected(have, want *certmanagerv1.Certificate) *certmanagerv1.Certificate {
	out := have.DeepCopy()
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	maps.Copy(out.Labels, want.Labels)
	out.OwnerReferences = want.OwnerReferences
	out.Spec = *want.Spec.DeepCopy()
	return out
}

// slowAfter is how long cert-manager may take before somebody should have a look.
const slowAfter = 2 * time.Minute

// Progress is how far cert-manager has come with a Certificate.
type Progress struct {
	// Settled: nothing is going on, and the Secret holds what was issued for the Certificate as it is now.
	Settled bool
	// Problem with the last attempt.
	Problem *issuer.UnusableError
	// SlowAt is when a Certificate that is neither will have taken too long.
	SlowAt time.Time
}

// ProgressOf reads the status of a Certificate.
func ProgressOf(c *certmanagerv1.Certificate) Progress {
	since := c.CreationTimestamp.Time
	ready, issuing := condition(c, certmanagerv1.CertificateConditionReady), condition(c, certmanagerv1.CertificateConditionIssuing)
	switch {
	case issuing != nil && issuing.Status == cmmeta.ConditionTrue:
		if issuing.LastTransitionTime != nil {
			since = issuing.LastTransitionTime.Time
		}
	case issuing != nil:
		return Progress{Problem: failure(c, issuing)}
	case ready != nil && ready.Status == cmmeta.ConditionTrue && ready.ObservedGeneration >= c.Generation:
		return Progress{Settled: true}
	case ready != nil && ready.LastTransitionTime != nil:
		since = ready.LastTransitionTime.Time
	}
	return Progress{SlowAt: since.Add(slowAfter)}
}

// failure names the reason why issuing failed. Of a denied request the reason is whatever who denied it has written.
func failure(c *certmanagerv1.Certificate, issuing *certmanagerv1.CertificateCondition) *issuer.UnusableError {
	reason := RequestDenied
	switch issuing.Reason {
	case certmanagerv1.CertificateRequestReasonFailed:
		reason = IssuerFailed
	case "InvalidCertificate":
		reason = WrongCertificate
	}
	return &issuer.UnusableError{Reason: reason, Message: fmt.Sprintf("Certificate %s/%s: %s", c.Namespace, c.Name, issuing.Message)}
}

// slow says that a Certificate takes too long.
func slow(c *certmanagerv1.Certificate) *issuer.UnusableError {
	return &issuer.UnusableError{Reason: IssuanceSlow, Message: fmt.Sprintf(
		"cert-manager has been issuing Certificate %s/%s for more than %s; its CertificateRequest tells why, if cert-manager runs", c.Namespace, c.Name, slowAfter)}
}

func condition(c *certmanagerv1.Certificate, kind certmanagerv1.CertificateConditionType) *certmanagerv1.CertificateCondition {
	for i := range c.Status.Conditions {
		if c.Status.Conditions[i].Type == kind {
			return &c.Status.Conditions[i]
		}
	}
	return nil
}
