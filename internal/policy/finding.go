package policy

import "github.com/warifu/warifu/internal/proxyconfig"

// Finding is something wrong with an object, or legal and surprising.
type Finding struct {
	Object   proxyconfig.ObjectRef `json:"object"`
	Severity Severity              `json:"severity"`
	// Field is the path in the object, such as spec.rules[0].from[1].source.principals[0].
	Field   string `json:"field"`
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// Severity of a finding.
type Severity string

const (
	// SeverityError: the object is refused by admission and cannot be compiled.
	SeverityError Severity = "Error"
	// SeverityWarning: the object is legal and probably does not do what its author thinks.
	SeverityWarning Severity = "Warning"
)

// Reason names a kind of finding; each is a constant of this package. check_reasons.go has those that one object shows by
// itself, the list here those that take other objects to see. All of these are warnings: the object is in force as far as
// the others let it.
type Reason string

// Reasons that take other objects to see. What is missing is only reported where the index knows any object of that kind,
// because a folder without a single Pod says nothing about which pods exist.
const (
	// ReasonConflict: another object of the same scope, or with the same host, is older and holds in this one's stead, for
	// all or for some of the workloads.
	ReasonConflict Reason = "Conflict"
	// ReasonShadowed: for some or all clients an older DestinationRule with another exportTo or workloadSelector holds; the
	// two are not merged.
	ReasonShadowed Reason = "Shadowed"
	// ReasonMerged: an older DestinationRule for the same host has no trafficPolicy and takes this one's.
	ReasonMerged Reason = "Merged"
	// ReasonDropsTLS: a DestinationRule without TLS settings keeps a wildcard rule with TLS settings from its host: only the
	// most specific rule holds, so the choice falls back to automatic.
	ReasonDropsTLS Reason = "DropsTLS"
	// ReasonUnreachable: a DENY policy denies everything that this ALLOW policy could allow.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonSelectsNothing: no workload has the labels of the selector.
	ReasonSelectsNothing Reason = "SelectsNothing"
	// ReasonUnknownNamespace: the field names a namespace that does not exist.
	ReasonUnknownNamespace Reason = "UnknownNamespace"
	// ReasonUnknownService: the host is the name of a Service that does not exist.
	ReasonUnknownService Reason = "UnknownService"
	// ReasonUnknownServicePort: portLevelSettings names a port that the Service does not have.
	ReasonUnknownServicePort Reason = "UnknownServicePort"
	// ReasonVanishesOnTCP: an ALLOW rule looks at HTTP requests, and on a port that is not declared HTTP it allows nothing.
	ReasonVanishesOnTCP Reason = "VanishesOnTCP"
	// ReasonStrictNotEnforced: STRICT cannot bite, because no proxy stands before the workload or the port.
	ReasonStrictNotEnforced Reason = "StrictNotEnforced"
	// ReasonServicePort: portLevelMtls names a Service's port, while the workload listens on another one.
	ReasonServicePort Reason = "ServicePort"
)
