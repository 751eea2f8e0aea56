package status

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
)

// Reach counts the pods that a policy selects by what they can make of it. Each pod is in one count.
type Reach struct {
	// Proxied pods enforce by their proxy. Of these, Enforcing have reported that they do.
	Proxied, Enforcing int
	// Rejected is what one of the proxies says that cannot put its configuration in force; empty where there is none.
	Rejected string
	// Told and Untold pods have the data plane none: their applications read the modes, which are up to date or not yet.
	Told, Untold int
	// Outside are the pods that take no part, by the reason.
	Outside map[policy.NotProxiedReason]int
}

// Selected is the number of pods that the policy selects.
func (r Reach) Selected() int {
	n := r.Proxied + r.Told + r.Untold
	for _, outside := range r.Outside {
		n += outside
	}
	return n
}

// outside names the reasons in the order in which they are told.
var outside = []struct {
	reason policy.NotProxiedReason
	words  string
}{
	{policy.NotProxiedNoDataPlane, "with data plane none"},
	{policy.NotProxiedNotInjected, "not injected"},
	{policy.NotProxiedOptedOut, "opted out"},
	{policy.NotProxiedHostNetwork, "on the host's network"},
}

// programmed is the state of the Programmed condition for a policy that compiles.
func (r Reach) programmed(kind string) (metav1.ConditionStatus, string, string) {
	if r.Selected() == 0 {
		return metav1.ConditionTrue, v1alpha1.ReasonNoWorkloads, "no pod is selected: there is nobody to tell"
	}
	if kind == v1alpha1.KindAuthorizationPolicy {
		r = r.withoutModes()
	}
	able := r.Proxied + r.Told + r.Untold
	if able == 0 {
		return metav1.ConditionFalse, v1alpha1.ReasonNotEnforced,
			fmt.Sprintf("none of the %s selected can enforce this: %s", count(r.Selected(), "pod"), r.notEnforced())
	}
	var parts []string
	if r.Proxied > 0 {
		parts = append(parts, fmt.Sprintf("enforced by %d of %s", r.Enforcing, count(r.Proxied, "proxy")))
	}
	if told := r.Told + r.Untold; told > 0 {
		parts = append(parts, fmt.Sprintf("delivered to %d of %s", r.Told, count(told, "pod")))
	}
	if r.Rejected != "" {
		parts = append(parts, r.Rejected)
	}
	message := cut(strings.Join(parts, "; "), maxMessage)
	if rest := r.notEnforced(); rest != "" {
		message += "; not enforced on " + rest
	}
	switch {
	case r.Untold > 0 || r.Enforcing < r.Proxied:
		return metav1.ConditionFalse, v1alpha1.ReasonPending, message
	case r.Proxied > 0:
		return metav1.ConditionTrue, v1alpha1.ReasonEnforced, message
	default:
		return metav1.ConditionTrue, v1alpha1.ReasonDelivered, message
	}
}

// withoutModes is the reach of a policy that only a proxy can enforce: modes tell an application nothing of it.
func (r Reach) withoutModes() Reach {
	out := Reach{Proxied: r.Proxied, Enforcing: r.Enforcing, Rejected: r.Rejected, Outside: map[policy.NotProxiedReason]int{policy.NotProxiedNoDataPlane: r.Told + r.Untold}}
	for reason, n := range r.Outside {
		out.Outside[reason] += n
	}
	return out
}

// notEnforced lists the pods that take no part: "2 not injected, 1 opted out".
func (r Reach) notEnforced() string {
	var parts []string
	known := 0
	for _, o := range outside {
		if n := r.Outside[o.reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.words))
			known += n
		}
	}
	if other := r.Selected() - r.Proxied - r.Told - r.Untold - known; other > 0 {
		parts = append(parts, fmt.Sprintf("%d not proxied", other))
	}
	return strings.Join(parts, ", ")
}

// maxMessage bounds a condition's message in bytes, so that a policy with a thousand mistakes stays readable and that the
// message fits into an event, which takes 1024.
const maxMessage = 960

// list writes findings one after the other, whole ones as far as they fit, and how many more there are.
func list(intro string, findings []policy.Finding) string {
	message := intro
	for i, f := range findings {
		text := f.Message
		if f.Field != "" {
			text = f.Field + ": " + f.Message
		}
		if i > 0 {
			text = "; " + text
		}
		if i > 0 && len(message)+len(text) > maxMessage {
			return fmt.Sprintf("%s; and %d more", message, len(findings)-i)
		}
		message += text
	}
	return cut(message, maxMessage)
}

// cut shortens text to a number of bytes without breaking a character.
func cut(text string, bytes int) string {
	const mark = "…"
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes-len(mark)], "") + mark
}

// count is "1 pod" or "3 pods".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
