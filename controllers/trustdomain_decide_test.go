package controllers

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/pki"
)

func TestSettingsOf(t *testing.T) {
	spec := func(algorithm v1alpha1.KeyAlgorithm, lifetime time.Duration) v1alpha1.TrustDomainSpec {
		return v1alpha1.TrustDomainSpec{WorkloadCertificates: v1alpha1.WorkloadCertificateSpec{
			KeyAlgorithm: algorithm, Lifetime: &metav1.Duration{Duration: lifetime},
		}}
	}
	tests := map[string]struct {
		spec    v1alpha1.TrustDomainSpec
		short   bool
		want    identitySettings
		problem string
	}{
		"nothing said":       {v1alpha1.TrustDomainSpec{}, false, defaultSettings, ""},
		"all said":           {spec(v1alpha1.ECDSAP384, time.Hour), false, identitySettings{Algorithm: pki.ECDSAP384, Lifetime: time.Hour}, ""},
		"ten minutes":        {spec(v1alpha1.Ed25519, 10*time.Minute), false, identitySettings{Algorithm: pki.Ed25519, Lifetime: 10 * time.Minute}, ""},
		"less":               {spec(v1alpha1.Ed25519, 10*time.Minute-1), false, identitySettings{}, "spec.workloadCertificates.lifetime"},
		"less, for tests":    {spec(v1alpha1.Ed25519, time.Minute), true, identitySettings{Algorithm: pki.Ed25519, Lifetime: time.Minute}, ""},
		"unknown algorithm":  {spec("RSA", time.Hour), false, identitySettings{}, "spec.workloadCertificates.keyAlgorithm"},
		"unknown issuer":     {v1alpha1.TrustDomainSpec{Issuer: v1alpha1.IssuerSpec{Type: "Vault"}}, false, identitySettings{}, "spec.issuer.type"},
		"impossible alias":   {v1alpha1.TrustDomainSpec{Aliases: []string{"old", "Old"}}, false, identitySettings{}, "spec.aliases[1]"},
		"alias that is fine": {v1alpha1.TrustDomainSpec{Aliases: []string{"old.example"}}, false, defaultSettings, ""},
	}
	for name, test := range tests {
		got, problem := settingsOf(test.spec, test.short)
		if (test.problem == "") != (problem == "") || !strings.HasPrefix(problem, test.problem) {
			t.Errorf("%s: problem %q, want %q", name, problem, test.problem)
		}
		if test.problem == "" && got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestTrustDomainStatus(t *testing.T) {
	_, _, want := certified(t)
	object := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: "cluster.local", Generation: 7}}
	facts := trustDomainFacts{Object: object, Served: true, Authority: &want.Authority, Rotation: rotation{Settled: true}, Now: noon,
		Counts: identityCounts{Issued: 3, NextRenewal: noon.Add(time.Hour)}}
	before := object.DeepCopy()
	status := trustDomainStatus(facts)
	if diff := cmp.Diff(before, object); diff != "" {
		t.Errorf("the object was changed: %s", diff)
	}
	check := func(s v1alpha1.TrustDomainStatus, kind, is, reason, message string) {
		t.Helper()
		c := meta.FindStatusCondition(s.Conditions, kind)
		if c == nil || string(c.Status) != is || c.Reason != reason || !strings.Contains(c.Message, message) {
			t.Errorf("%s: %+v, want %s %s with %q", kind, c, is, reason, message)
		}
	}
	check(status, v1alpha1.ConditionReady, "True", "Ready", "until 2026-11-30T12:00:00Z")
	check(status, v1alpha1.ConditionIdentitiesIssued, "True", "Issued", "")
	if len(status.Roots) != 1 || status.Signer == nil || *status.Signer != status.Roots[0] || len(status.Signer.SHA256) != 64 ||
		status.Identities.Issued != 3 || !status.Identities.NextRenewal.Time.Equal(noon.Add(time.Hour)) || status.ObservedGeneration != 7 {
		t.Errorf("status: %+v", status)
	}

	// Nothing changed, so nothing does: also not the time of the last transition.
	object.Status = status
	facts.Now = noon.Add(time.Minute)
	if diff := cmp.Diff(status, trustDomainStatus(facts)); diff != "" {
		t.Errorf("the status changes by itself: %s", diff)
	}

	broken := facts
	broken.Authority, broken.LoadErr = nil, &issuer.UnusableError{Reason: issuer.CAUnreadable, Message: "tls.key: no PEM"}
	s := trustDomainStatus(broken)
	check(s, v1alpha1.ConditionReady, "False", "CAUnreadable", "no PEM")
	if s.Signer != nil || len(s.Roots) != 1 {
		t.Errorf("signer %v, roots %v: what was issued still verifies", s.Signer, s.Roots)
	}
	broken.LoadErr = errors.New("the API server does not answer")
	check(trustDomainStatus(broken), v1alpha1.ConditionReady, "False", "APIError", "does not answer")
	broken.Problem = "spec.x: wrong"
	check(trustDomainStatus(broken), v1alpha1.ConditionReady, "False", "InvalidSpec", "spec.x")

	failing := facts
	failing.Counts = identityCounts{Failed: 3, Pending: 1, Failures: []string{"shop/a: no", "shop/b: no"}, FailureReason: "SecretNotOurs"}
	check(trustDomainStatus(failing), v1alpha1.ConditionIdentitiesIssued, "False", "SecretNotOurs", "shop/a: no; shop/b: no; and 1 more")
	failing.Counts = identityCounts{Pending: 1}
	check(trustDomainStatus(failing), v1alpha1.ConditionIdentitiesIssued, "False", "Pending", "")

	foreign := trustDomainStatus(trustDomainFacts{Object: object, Now: noon})
	check(foreign, v1alpha1.ConditionReady, "False", "NotServed", "--trust-domain")
	if len(foreign.Conditions) != 1 || foreign.Signer != nil || foreign.Roots != nil {
		t.Errorf("status of a foreign trust domain: %+v", foreign)
	}
}

func TestLookAgain(t *testing.T) {
	_, _, want := certified(t)
	end := want.Authority.Signer.NotAfter
	tests := map[string]struct {
		facts trustDomainFacts
		want  time.Duration
	}{
		"not served":    {trustDomainFacts{}, 0},
		"no CA":         {trustDomainFacts{Served: true}, resync},
		"young CA":      {trustDomainFacts{Served: true, Authority: &want.Authority, Rotation: rotation{Settled: true}, Now: noon}, resync},
		"about to end":  {trustDomainFacts{Served: true, Authority: &want.Authority, Rotation: rotation{Settled: true}, Now: end.Add(-time.Minute)}, time.Minute},
		"already ended": {trustDomainFacts{Served: true, Authority: &want.Authority, Rotation: rotation{Settled: true}, Now: end.Add(time.Minute)}, time.Second},
	}
	for name, test := range tests {
		if got := test.facts.lookAgain(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
