package status

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
)

var (
	now   = metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	later = metav1.NewTime(now.Add(time.Hour))
)

// brief is a condition as a test writes it: "Accepted=True Accepted: the object is valid".
func brief(conditions []metav1.Condition) []string {
	var out []string
	for _, c := range conditions {
		out = append(out, c.Type+"="+string(c.Status)+" "+c.Reason+": "+c.Message)
	}
	return out
}

func finding(severity policy.Severity, reason policy.Reason, field, message string) policy.Finding {
	return policy.Finding{Severity: severity, Reason: reason, Field: field, Message: message}
}

func TestAcceptedAndConflicted(t *testing.T) {
	const accepted, free = "Accepted=True Accepted: the object is valid", "Conflicted=False NoConflict: no other object shadows this one"
	const delivered = "Programmed=True Delivered: delivered to 1 of 1 pod"
	shadowed := finding(policy.SeverityWarning, conflictReasons[0], "", "shadowed by PeerAuthentication a/older")
	broken := finding(policy.SeverityError, policy.ReasonInvalid, "spec.host", "is not a host; use a Service's name")
	tests := map[string]struct {
		kind     string
		findings []policy.Finding
		want     []string
	}{
		"nothing to say": {v1alpha1.KindPeerAuthentication, nil, []string{accepted, delivered, free}},
		"an error says field and way out, and nothing is programmed": {
			v1alpha1.KindDestinationRule, []policy.Finding{broken},
			[]string{
				"Accepted=False Invalid: spec.host: is not a host; use a Service's name",
				"Programmed=False NotAccepted: the object is not accepted, so nothing of it is in force", free,
			},
		},
		"an authorization policy that does not compile denies": {
			v1alpha1.KindAuthorizationPolicy, []policy.Finding{broken},
			[]string{
				"Accepted=False Invalid: spec.host: is not a host; use a Service's name",
				"Programmed=False NotAccepted: the object is not accepted: until it is corrected, an ALLOW or DENY policy denies what its 1 pod receive", free,
			},
		},
		"two errors are both told, the first gives the reason": {
			v1alpha1.KindPeerAuthentication, []policy.Finding{finding(policy.SeverityError, policy.ReasonRequired, "a", "one"), broken},
			[]string{
				"Accepted=False Required: a: one; spec.host: is not a host; use a Service's name",
				"Programmed=False NotAccepted: the object is not accepted, so nothing of it is in force, or everything but portLevelMtls where that alone is wrong", free,
			},
		},
		"a warning stands in the message": {
			v1alpha1.KindPeerAuthentication, []policy.Finding{finding(policy.SeverityWarning, policy.ReasonEmptySelector, "spec.selector", "selects everything")},
			[]string{"Accepted=True Accepted: the object is valid, with a warning: spec.selector: selects everything", delivered, free},
		},
		"a conflict is told once, where it belongs": {
			v1alpha1.KindPeerAuthentication, []policy.Finding{shadowed},
			[]string{accepted, delivered, "Conflicted=True " + string(conflictReasons[0]) + ": shadowed by PeerAuthentication a/older"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Policy(Input{Kind: tt.kind, Findings: tt.findings, Reach: Reach{Told: 1}, Now: now}, v1alpha1.PolicyStatus{})
			if diff := cmp.Diff(tt.want, brief(got.Conditions)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestProgrammed(t *testing.T) {
	outside := func(reason policy.NotProxiedReason, n int) map[policy.NotProxiedReason]int {
		return map[policy.NotProxiedReason]int{reason: n}
	}
	mixed := map[policy.NotProxiedReason]int{policy.NotProxiedOptedOut: 1, policy.NotProxiedNotInjected: 2, policy.NotProxiedHostNetwork: 1}
	const modes, rules = v1alpha1.KindPeerAuthentication, v1alpha1.KindAuthorizationPolicy
	tests := map[string]struct {
		kind  string
		reach Reach
		want  string
	}{
		"nothing selected":                {modes, Reach{}, "True NoWorkloads: no pod is selected: there is nobody to tell"},
		"all told":                        {modes, Reach{Told: 3}, "True Delivered: delivered to 3 of 3 pods"},
		"some told":                       {modes, Reach{Told: 1, Untold: 2}, "False Pending: delivered to 1 of 3 pods"},
		"client rules are told like this": {v1alpha1.KindDestinationRule, Reach{Told: 2}, "True Delivered: delivered to 2 of 2 pods"},
		"proxies have not reported":       {modes, Reach{Proxied: 2}, "False Pending: enforced by 0 of 2 proxies"},
		"some proxies have":               {modes, Reach{Proxied: 3, Enforcing: 2}, "False Pending: enforced by 2 of 3 proxies"},
		"all proxies have":                {modes, Reach{Proxied: 3, Enforcing: 3}, "True Enforced: enforced by 3 of 3 proxies"},
		"a proxy cannot":                  {modes, Reach{Proxied: 1, Rejected: "the proxy of Pod a/b refuses its configuration: why"}, "False Pending: enforced by 0 of 1 proxy; the proxy of Pod a/b refuses its configuration: why"},
		"one proxy among the told":        {modes, Reach{Told: 2, Proxied: 1}, "False Pending: enforced by 0 of 1 proxy; delivered to 2 of 2 pods"},
		"nobody takes part":               {modes, Reach{Outside: mixed}, "False NotEnforced: none of the 4 pods selected can enforce this: 2 not injected, 1 opted out, 1 on the host's network"},
		"some take no part":               {modes, Reach{Told: 3, Outside: outside(policy.NotProxiedOptedOut, 1)}, "True Delivered: delivered to 3 of 3 pods; not enforced on 1 opted out"},
		"a reason that is new here":       {modes, Reach{Outside: outside("Sleeping", 2)}, "False NotEnforced: none of the 2 pods selected can enforce this: 2 not proxied"},
		"rules need a proxy":              {rules, Reach{Told: 2, Untold: 1}, "False NotEnforced: none of the 3 pods selected can enforce this: 3 with data plane none"},
		"rules where some have a proxy":   {rules, Reach{Told: 2, Proxied: 1, Enforcing: 1}, "True Enforced: enforced by 1 of 1 proxy; not enforced on 2 with data plane none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := brief(Policy(Input{Kind: tt.kind, Reach: tt.reach, Now: now}, v1alpha1.PolicyStatus{}).Conditions)[1]
			if want := "Programmed=" + tt.want; before != want {
				t.Errorf("got  %s\nwant %s", before, want)
			}
		})
	}
}

func TestWorkloadsCountsEveryPodOnce(t *testing.T) {
	reach := Reach{Proxied: 1, Told: 2, Untold: 4, Outside: map[policy.NotProxiedReason]int{policy.NotProxiedOptedOut: 8, policy.NotProxiedNoDataPlane: 16}}
	if got := Policy(Input{Reach: reach, Generation: 7}, v1alpha1.PolicyStatus{}); got.Workloads != 31 || got.ObservedGeneration != 7 {
		t.Errorf("workloads %d of generation %d, want 31 of 7", got.Workloads, got.ObservedGeneration)
	}
}

func TestTransitionTimes(t *testing.T) {
	first := Policy(Input{Kind: v1alpha1.KindPeerAuthentication, Reach: Reach{Untold: 1}, Generation: 1, Now: now}, v1alpha1.PolicyStatus{})

	again := Policy(Input{Kind: v1alpha1.KindPeerAuthentication, Reach: Reach{Untold: 1}, Generation: 1, Now: later}, first)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same input must give the same status, or it is written for ever:\n%s", diff)
	}

	moved := Policy(Input{Kind: v1alpha1.KindPeerAuthentication, Reach: Reach{Told: 1}, Generation: 2, Now: later}, first)
	got := map[string]metav1.Time{}
	for _, c := range moved.Conditions {
		got[c.Type] = c.LastTransitionTime
		if c.ObservedGeneration != 2 {
			t.Errorf("%s speaks of generation %d", c.Type, c.ObservedGeneration)
		}
	}
	want := map[string]metav1.Time{v1alpha1.ConditionAccepted: now, v1alpha1.ConditionProgrammed: later, v1alpha1.ConditionConflicted: now}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if first.Conditions[1].Status != metav1.ConditionFalse {
		t.Error("the previous status was changed")
	}
}

func TestForeignConditionsGo(t *testing.T) {
	previous := v1alpha1.PolicyStatus{Conditions: []metav1.Condition{{Type: "Ready"}, {Type: v1alpha1.ConditionConflicted}}}
	got := Policy(Input{Now: now}, previous)
	if diff := cmp.Diff(conditionTypes, []string{got.Conditions[0].Type, got.Conditions[1].Type, got.Conditions[2].Type}); diff != "" || len(got.Conditions) != 3 {
		t.Errorf("%d conditions\n%s", len(got.Conditions), diff)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	many := make([]policy.Finding, 500)
	for i := range many {
		many[i] = finding(policy.SeverityError, policy.ReasonInvalid, "spec.rules[0]", "is wrong in a way that takes a line to tell")
	}
	one := []policy.Finding{finding(policy.SeverityError, policy.ReasonInvalid, "spec", strings.Repeat("é", 2000))}
	for name, findings := range map[string][]policy.Finding{"many": many, "one very long": one} {
		t.Run(name, func(t *testing.T) {
			got := list("", findings)
			if len(got) > maxMessage+len("; and 500 more") || !utf8.ValidString(got) {
				t.Errorf("%d bytes, valid UTF-8: %v", len(got), utf8.ValidString(got))
			}
		})
	}
	if got := list("", many); !strings.HasSuffix(got, " more") {
		t.Errorf("%q does not say how many more there are", got[len(got)-30:])
	}
}
