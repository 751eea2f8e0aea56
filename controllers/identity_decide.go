package controllers

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// identityFacts is all that a decision about one ServiceAccount's identity depends on.
type identityFacts struct {
	ServiceAccount *corev1.ServiceAccount
	// Wanted says that the ServiceAccount is to have an identity.
	Wanted bool
	// Secret with the name of the identity Secret, whoever made it; nil where there is none.
	Secret *corev1.Secret
	// Want is the certificate that it should hold; nil while nothing can be issued.
	Want *pki.Want
	// Issued is the Secret that cert-manager writes for the ServiceAccount; nil where there is none.
	Issued *corev1.Secret
	// Ordering says that certificates come from cert-manager, Signing that they are signed here; neither is known at first.
	Ordering, Signing bool
	// Order is how the order with cert-manager stands; nil unless Ordering and Want.
	Order *identityOrder
	Now   time.Time
}

// identityAction is what to do.
type identityAction string

// The actions.
const (
	// identityKeep: there is nothing to do now.
	identityKeep identityAction = "Keep"
	// identityAwait: a certificate is needed and nothing can be issued, or an old Secret is still going away.
	identityAwait identityAction = "Await"
	// identityCreate: a new Secret.
	identityCreate identityAction = "Create"
	// identityRenew: a new key and certificate in the Secret that there is.
	identityRenew identityAction = "Renew"
	// identityPublish: another ca.crt; key and certificate stay.
	identityPublish identityAction = "Publish"
	// identityRemove: our Secret is not wanted (any more).
	identityRemove identityAction = "Remove"
	// identityFail: what was ordered did not come, or not as it should; what there is stays.
	identityFail identityAction = "Fail"
	// identityRefuse: the Secret is somebody else's, and is not touched.
	identityRefuse identityAction = "Refuse"
)

// identityDecision says what to do, why, and when to look again.
type identityDecision struct {
	Action  identityAction
	Reason  string
	Message string
	// RenewAt is when the certificate is due; zero where it is not known or never.
	RenewAt time.Time
	// LookAgain is when the decision changes by time alone; zero where RenewAt says it, or something else will tell.
	LookAgain time.Time
	// Open: cert-manager is at work, so what was said of a failure stands.
	Open bool
}

// decideIdentity decides about one ServiceAccount's identity.
func decideIdentity(f identityFacts) identityDecision {
	ours := f.Secret != nil && isIdentitySecretOf(f.Secret, f.ServiceAccount.Name)
	switch {
	case !f.Wanted && ours:
		return identityDecision{Action: identityRemove, Reason: "NotWanted", Message: "the namespace or the ServiceAccount has no use for an identity"}
	case !f.Wanted:
		return identityDecision{Action: identityKeep}
	case f.Secret != nil && !ours:
		return identityDecision{Action: identityRefuse, Reason: v1alpha1.ReasonSecretNotOurs,
			Message: "Secret " + f.Secret.Name + " was not made by Warifu and is left alone; rename or delete it to have an identity issued"}
	case f.Secret != nil && f.Secret.DeletionTimestamp != nil:
		return identityDecision{Action: identityAwait, Reason: "Deleting", Message: "the identity Secret is being deleted"}
	case f.Secret != nil && !belongsTo(f.Secret, f.ServiceAccount):
		// The garbage collector is about to remove it, or somebody froze it: neither can be repaired in place.
		return identityDecision{Action: identityRemove, Reason: "Replaced", Message: "the identity Secret belongs to an earlier ServiceAccount of this name, or is immutable"}
	}
	return decideIssue(f)
}

// decideIssue decides about a Secret that is ours to write, or is still to be made.
func decideIssue(f identityFacts) identityDecision {
	switch {
	case f.Want == nil:
		return withoutIssuer(f)
	case f.Order != nil && f.Want.Authority.Signer == nil:
		return decideDelivery(f)
	case f.Secret == nil:
		return identityDecision{Action: identityCreate, Reason: string(pki.Missing)}
	}
	verdict := pki.Judge(filesOf(f.Secret), *f.Want, f.Now)
	decision := identityDecision{Action: identityRenew, Reason: string(verdict.Reason), Message: verdict.Message, RenewAt: verdict.RenewAt}
	switch verdict.Reason {
	case pki.Valid:
		decision.Action = identityKeep
	case pki.RootsChanged:
		decision.Action = identityPublish
	default: // every other reason is one to issue again
	}
	return decision
}

// withoutIssuer keeps an identity that still verifies, and lets everybody else wait.
func withoutIssuer(f identityFacts) identityDecision {
	if f.Secret != nil {
		chain, err := pki.ParseCertificates(f.Secret.Data[naming.FileCert])
		if err == nil && f.Now.Before(chain[0].NotAfter) {
			return identityDecision{Action: identityKeep, RenewAt: pki.RenewAt(chain[0])}
		}
	}
	return identityDecision{Action: identityAwait, Reason: "NotReady", Message: "no certificate can be issued now; the TrustDomain says why"}
}

// isIdentitySecretOf says that we made the Secret for a ServiceAccount of this name: our labels, and owned by it. A Secret
// that lacks either is not ours, even where it was once.
func isIdentitySecretOf(secret *corev1.Secret, serviceAccount string) bool {
	owner := metav1.GetControllerOf(secret)
	return secret.Labels[naming.LabelManagedBy] == naming.ManagedBy && secret.Labels[naming.LabelKind] == naming.KindIdentity &&
		secret.Type == corev1.SecretTypeTLS &&
		owner != nil && owner.APIVersion == "v1" && owner.Kind == "ServiceAccount" && owner.Name == serviceAccount
}

// belongsTo says that a Secret of ours is of this very ServiceAccount, not of an earlier one, and can be written.
func belongsTo(secret *corev1.Secret, sa *corev1.ServiceAccount) bool {
	owner := metav1.GetControllerOf(secret)
	return owner != nil && owner.UID == sa.UID && (secret.Immutable == nil || !*secret.Immutable)
}

// wantsIdentities says what a namespace wants for its ServiceAccounts: an identity for each, for none, for those that
// opted-in pods run as, or for the operator's own.
func wantsIdentities(namespace *corev1.Namespace, rootNamespace string) identityWish {
	label := namespace.Labels[naming.LabelInjection]
	switch {
	case namespace.Name == rootNamespace:
		return identitiesForOperator
	case slices.Contains(naming.SystemNamespaces(), namespace.Name), label == naming.InjectionDisabled:
		return identitiesForNone
	case label == naming.InjectionEnabled:
		return identitiesForAll
	}
	return identitiesForPods
}

// identityWish is what a namespace wants.
type identityWish int

const (
	identitiesForNone identityWish = iota
	identitiesForAll
	identitiesForPods
	// identitiesForOperator: the operator's ServiceAccount alone. The control API proves it to proxies.
	identitiesForOperator
)

// usesIdentity says that a pod opted in and has not finished.
func usesIdentity(pod *corev1.Pod) bool {
	return pod.Labels[naming.LabelInject] == naming.InjectTrue &&
		pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

func filesOf(secret *corev1.Secret) pki.Files {
	return pki.Files{Cert: secret.Data[naming.FileCert], Key: secret.Data[naming.FileKey], CA: secret.Data[naming.FileCA]}
}
