package policy

// Reasons of the errors that one object shows by itself. An object with one of them is refused by admission; where
// admission was away, it is not compiled.
const (
	// ReasonRequired: a field that must be set is missing.
	ReasonRequired Reason = "Required"
	// ReasonInvalid: a value that nothing can parse, such as a port of 99999 or an empty string in a list.
	ReasonInvalid Reason = "Invalid"
	// ReasonDuplicate: the same name, port or namespace twice, where only one can hold.
	ReasonDuplicate Reason = "Duplicate"
	// ReasonTooMany: a list longer than its bound.
	ReasonTooMany Reason = "TooMany"
	// ReasonExclusive: two fields that cannot both be set.
	ReasonExclusive Reason = "Exclusive"
	// ReasonUnsupported: the model has the field or value and Warifu does not. It is refused, because a policy that is
	// silently ignored protects nothing.
	ReasonUnsupported Reason = "Unsupported"
	// ReasonSelectorRequired: the setting makes sense only for chosen workloads.
	ReasonSelectorRequired Reason = "SelectorRequired"
	// ReasonSelectorInRootNamespace: the model ignores a PeerAuthentication with a selector in the root namespace.
	ReasonSelectorInRootNamespace Reason = "SelectorInRootNamespace"
	// ReasonTLSModeRequired: `tls: {}`, which the model reads as plaintext.
	ReasonTLSModeRequired Reason = "TLSModeRequired"
	// ReasonPrincipalScheme: a principal with spiffe:// in front, which never matches in the model.
	ReasonPrincipalScheme Reason = "PrincipalScheme"
	// ReasonMiddleWildcard: a `*` that is neither the first nor the last character, which the model takes literally.
	ReasonMiddleWildcard Reason = "MiddleWildcard"
	// ReasonDenyWithoutRules: a DENY policy that never denies.
	ReasonDenyWithoutRules Reason = "DenyWithoutRules"
	// ReasonDryRun: a dry-run annotation that is not a boolean, contradicts its twin or stands where it means nothing.
	ReasonDryRun Reason = "DryRun"
)

// Reasons of the warnings: legal, and probably not what the author thinks.
const (
	// ReasonEmptySelector: a selector without labels selects everything, like no selector at all.
	ReasonEmptySelector Reason = "EmptySelector"
	// ReasonNoEffect: the setting changes nothing where it stands.
	ReasonNoEffect Reason = "NoEffect"
	// ReasonNeverMatches: no workload, peer or request can have this value.
	ReasonNeverMatches Reason = "NeverMatches"
	// ReasonUnknownTrustDomain: the principal belongs to a trust domain whose peers are not accepted.
	ReasonUnknownTrustDomain Reason = "UnknownTrustDomain"
	// ReasonAdmitsPlaintext: an ALLOW rule that only excludes identities also matches peers that have none.
	ReasonAdmitsPlaintext Reason = "AdmitsPlaintext"
	// ReasonWidensOnTCP: a DENY rule whose HTTP fields do not exist on a TCP port denies all TCP traffic there.
	ReasonWidensOnTCP Reason = "WidensOnTCP"
	// ReasonNoTrustMaterial: nothing is named to verify the server by, so that a proxy refuses the connections.
	ReasonNoTrustMaterial Reason = "NoTrustMaterial"
	// ReasonVerificationOff: the server is not verified at all.
	ReasonVerificationOff Reason = "VerificationOff"
	// ReasonFileOutsideVolumes: a file where a sidecar's proxy has none; its connections will be refused.
	ReasonFileOutsideVolumes Reason = "FileOutsideVolumes"
	// ReasonHostNotAddressable: the host is neither a Service nor an IP address, and the client side, which works at L4,
	// sees only addresses.
	ReasonHostNotAddressable Reason = "HostNotAddressable"
	// ReasonSubsetNeverSelected: nothing routes to subsets at L4, so the subset's settings are never used.
	ReasonSubsetNeverSelected Reason = "SubsetNeverSelected"
	// ReasonNotServed: the operator serves another trust domain, so the object has no effect.
	ReasonNotServed Reason = "NotServed"
	// ReasonShortCA: the CA lives less than twice as long as the certificates that it signs.
	ReasonShortCA Reason = "ShortCA"
)
