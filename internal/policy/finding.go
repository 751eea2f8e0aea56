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

// Reason names a kind of finding; each is a constant of this package.
type Reason string
