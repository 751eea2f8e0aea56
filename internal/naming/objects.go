package naming

import (
	"crypto/sha256"
	"encoding/hex"
)

// Objects that the operator keeps in its own namespace.
const (
	SecretCA         = "warifu-ca"         // the built-in workload CA: tls.crt, tls.key, ca.crt
	SecretWebhookCA  = "warifu-webhook-ca" // the webhook's own CA and serving certificate, independent of the workload CA
	LeaseOperator    = "warifu-operator"   // leader election
	ServiceWebhook   = "warifu-webhook"    // the webhook's Service
	WebhookMutating  = "warifu-injector"   // MutatingWebhookConfiguration
	WebhookValidator = "warifu-validator"  // ValidatingWebhookConfiguration
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

// IdentitySecret is the name of the Secret with the workload certificate of a ServiceAccount. A name too long to carry
// the prefix is cut and ends in a hash of the whole, so that two long names never share a Secret.
func IdentitySecret(serviceAccount string) string {
	name := identityPrefix + serviceAccount
	if len(name) <= maxObjectName {
		return name
	}
	sum := sha256.Sum256([]byte(serviceAccount))
	tail := "-" + hex.EncodeToString(sum[:8])
	return name[:maxObjectName-len(tail)] + tail
}
