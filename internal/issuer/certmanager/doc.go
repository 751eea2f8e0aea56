// Package certmanager has the issuers behind which cert-manager stands.
//
// Intermediate signs itself, with a CA that a namespaced Issuer issues to the operator and cert-manager renews. Nobody else
// in the cluster can ask for such a CA, so it needs no approval of its own.
//
// Leaf has cert-manager issue the certificate of every ServiceAccount. Any editor of a namespace may ask cert-manager for any
// name, so Leaf is unusable until it is proven that nobody approves requests but Review. What cert-manager issues lies in a
// Secret of its own; it is judged, and only then copied into the identity Secret that pods mount: an issuer that goes wrong
// never takes away an identity that works, and ca.crt holds the configured roots whatever the issuer tells.
//
// Deciding (LeafCertificate, ProgressOf, Review, HoldUntil) is pure. Only cert-manager's API types are used.
//
// These rights are a role of their own, which the chart binds where certManager.enabled says so:
//
// +kubebuilder:rbac:groups=cert-manager.io,resources=issuers;clusterissuers,verbs=get
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificaterequests,verbs=get;list;watch
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificaterequests/status,verbs=update
// +kubebuilder:rbac:groups=cert-manager.io,resources=signers,resourceNames=issuers.cert-manager.io/*;clusterissuers.cert-manager.io/*,verbs=approve
// +kubebuilder:rbac:groups=cert-manager.io,namespace=warifu-system,resources=certificaterequests,verbs=create;delete
package certmanager
