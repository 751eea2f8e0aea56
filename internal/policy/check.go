package policy

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// CheckPeerAuthentication, CheckDestinationRule and CheckAuthorizationPolicy are what one object says about itself: findings
// that need no other object, so that admission never depends on the order in which a folder is applied. Findings come in
// the order of the object's fields. The object is not modified, and may be filled in any way: nothing is taken for granted
// of what the API server would have refused.
func CheckPeerAuthentication(o *v1alpha1.PeerAuthentication, s Settings) []Finding {
	if o == nil {
		return nil
	}
	c := newChecker(v1alpha1.KindPeerAuthentication, o, s)
	c.noDryRun(o.Annotations)
	c.peerAuthentication(&o.Spec)
	return c.findings
}

// CheckDestinationRule: see CheckPeerAuthentication.
func CheckDestinationRule(o *v1alpha1.DestinationRule, s Settings) []Finding {
	if o == nil {
		return nil
	}
	c := newChecker(v1alpha1.KindDestinationRule, o, s)
	c.noDryRun(o.Annotations)
	c.destinationRule(&o.Spec)
	return c.findings
}

// CheckAuthorizationPolicy: see CheckPeerAuthentication.
func CheckAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy, s Settings) []Finding {
	if o == nil {
		return nil
	}
	c := newChecker(v1alpha1.KindAuthorizationPolicy, o, s)
	c.dryRun(o.Annotations, o.Spec.Action)
	c.authorizationPolicy(&o.Spec)
	return c.findings
}

// checker collects the findings about one object.
type checker struct {
	object   proxyconfig.ObjectRef
	settings Settings
	findings []Finding
}

func newChecker(kind string, o metav1.Object, s Settings) *checker {
	return &checker{
		object:   proxyconfig.ObjectRef{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()},
		settings: s,
	}
}

// inRootNamespace is true for a policy that holds for the whole mesh.
func (c *checker) inRootNamespace() bool {
	return c.object.Namespace != "" && c.object.Namespace == c.settings.RootNamespace
}

func (c *checker) errorf(at *field.Path, reason Reason, format string, args ...any) {
	c.add(SeverityError, at, reason, fmt.Sprintf(format, args...))
}

func (c *checker) warnf(at *field.Path, reason Reason, format string, args ...any) {
	c.add(SeverityWarning, at, reason, fmt.Sprintf(format, args...))
}

func (c *checker) add(severity Severity, at *field.Path, reason Reason, message string) {
	c.findings = append(c.findings, Finding{
		Object:   c.object,
		Severity: severity,
		Field:    at.String(),
		Reason:   reason,
		Message:  message,
	})
}

// atMost refuses a list that is longer than the API server would take.
func (c *checker) atMost(at *field.Path, length, limit int) {
	if length > limit {
		c.errorf(at, ReasonTooMany, "%d entries: at most %d are allowed; spread them over several objects", length, limit)
	}
}
