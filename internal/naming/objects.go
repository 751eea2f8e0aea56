package naming

import (
	"crypto/sha256"
	"encoding/hex"
)

// Objects that the operator keeps in its own namespace.
const (
	SecretCA        = "warifu-ca"         // the built-in workload CA: tls.crt, tls.key, ca.crt
	SecretWebhookCA = "warifu-webhook-ca" // the webhook's own CA and serving certificate, independent of the workload CA
	// SecretIntermediate is the CA that a cert-manager Issuer issues to the operator. The Certificate has the same name.
	SecretIntermediate = "warifu-intermediate-ca"
	// RequestCanary is the CertificateRequest that nobody may approve.
	RequestCanary    = "warifu-approval-canary"
	LeaseOperator    = "warifu-operator"  // leader election
	ServiceWebhook   = "warifu-webhook"   // the webhook's Service
	WebhookMutating  = "warifu-injector"  // MutatingWebhookConfiguration
	WebhookValidator = "warifu-validator" // ValidatingWebhookConfiguration
)

// ServiceAccountOperator is what the operator runs as; the control API proves it as its identity.
const ServiceAccountOperator = "warifu-operator"

// ServiceControl and PortControl are where proxies reach the control API.
const (
	ServiceControl = "warifu-control"
	PortControl    = 15012
)

// identityPrefix begins the name of every identity Secret.
const identityPrefix = "warifu-identity-"

// maxObjectName is the longest name that Kubernetes accepts for a Secret (RFC 1123 subdomain).
const maxObjectName = 253

// issuedPrefix begins the name of what cert-manager issues for a ServiceAccount. A ServiceAccount's name never begins with a
// dash, so that no ServiceAccount has an identity Secret of such a name; and whatever guards identity Secrets by their
// prefix against other ServiceAccounts guards these against all.
const issuedPrefix = identityPrefix + "-"

// IdentitySecret is the name of the Secret with the workload certificate of a ServiceAccount. A name too long to carry
// the prefix is cut and ends in a hash of the whole, so that two long names never share a Secret.
func IdentitySecret(serviceAccount string) string { return prefixed(identityPrefix, serviceAccount) }

// IssuedSecret is the name of the Certificate that asks cert-manager for the identity of a ServiceAccount, and of the Secret
// that cert-manager writes. No pod mounts it: what is in it is checked, and then copied into the IdentitySecret.
func IssuedSecret(serviceAccount string) string { return prefixed(issuedPrefix, serviceAccount) }

func prefixed(prefix, serviceAccount string) string {
	name := prefix + serviceAccount
	if len(name) <= maxObjectName {
		return name
	}
	sum := sha256.Sum256([]byte(serviceAccount))
	tail := "-" + hex.EncodeToString(sum[:8])
	return name[:maxObjectName-len(tail)] + tail
}
