package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// certified is a ServiceAccount with what its certificate should be, and a Secret that holds it.
func certified(t *testing.T) (*corev1.ServiceAccount, *corev1.Secret, *pki.Want) {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "test", Algorithm: pki.ECDSAP256, Lifetime: 240 * time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.New("cluster.local", "shop", "cart")
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignWorkload(pki.WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: 24 * time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", UID: "1"}}
	secret := newIdentitySecret(sa, pki.Files{Cert: pki.EncodeCertificates(cert), Key: keyPEM, CA: pki.EncodeCertificates(ca.Roots...)})
	return sa, secret, &pki.Want{ID: id, Algorithm: pki.ECDSAP256, Lifetime: 24 * time.Hour, Authority: ca.Authority}
}

func TestDecideIdentity(t *testing.T) {
	sa, good, want := certified(t)
	secret := func(change func(*corev1.Secret)) *corev1.Secret { s := good.DeepCopy(); change(s); return s }
	yes, deleted := true, metav1.NewTime(noon)
	foreign := map[string]*corev1.Secret{
		"without label":     secret(func(s *corev1.Secret) { s.Labels = nil }),
		"of another kind":   secret(func(s *corev1.Secret) { s.Labels[naming.LabelKind] = naming.KindCA }),
		"without owner":     secret(func(s *corev1.Secret) { s.OwnerReferences = nil }),
		"of another name":   secret(func(s *corev1.Secret) { s.OwnerReferences[0].Name = "other" }),
		"of a Deployment":   secret(func(s *corev1.Secret) { s.OwnerReferences[0].Kind = "Deployment" }),
		"not controlled":    secret(func(s *corev1.Secret) { s.OwnerReferences[0].Controller = nil }),
		"managed by others": secret(func(s *corev1.Secret) { s.Labels[naming.LabelManagedBy] = "Helm" }),
		"opaque":            secret(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }),
	}
	tests := []struct {
		name   string
		wanted bool
		secret *corev1.Secret
		want   *pki.Want
		now    time.Time
		action identityAction
		reason string
	}{
		{"nothing wanted, nothing there", false, nil, nil, noon, identityKeep, ""},
		{"not wanted any more", false, good, nil, noon, identityRemove, "NotWanted"},
		{"missing", true, nil, want, noon, identityCreate, "Missing"},
		{"missing, no issuer", true, nil, nil, noon, identityAwait, "NotReady"},
		{"valid", true, good, want, noon, identityKeep, ""},
		{"valid, no issuer", true, good, nil, noon, identityKeep, ""},
		{"due, no issuer", true, good, nil, noon.Add(20 * time.Hour), identityKeep, ""},
		{"expired, no issuer", true, good, nil, noon.Add(24 * time.Hour), identityAwait, "NotReady"},
		{"emptied, no issuer", true, secret(func(s *corev1.Secret) { s.Data = nil }), nil, noon, identityAwait, "NotReady"},
		{"due", true, good, want, noon.Add(15 * time.Hour), identityRenew, "RenewalDue"},
		{"expired", true, good, want, noon.Add(24 * time.Hour), identityRenew, "Expired"},
		{"emptied", true, secret(func(s *corev1.Secret) { s.Data = nil }), want, noon, identityRenew, "Missing"},
		{"other roots", true, secret(func(s *corev1.Secret) { s.Data[naming.FileCA] = nil }), want, noon, identityPublish, "RootsChanged"},
		{"earlier ServiceAccount's", true, secret(func(s *corev1.Secret) { s.OwnerReferences[0].UID = "0" }), want, noon, identityRemove, "Replaced"},
		{"earlier ServiceAccount's, no issuer", true, secret(func(s *corev1.Secret) { s.OwnerReferences[0].UID = "0" }), nil, noon, identityRemove, "Replaced"},
		{"frozen", true, secret(func(s *corev1.Secret) { s.Immutable = &yes }), want, noon, identityRemove, "Replaced"},
		{"going away", true, secret(func(s *corev1.Secret) { s.DeletionTimestamp = &deleted }), want, noon, identityAwait, "Deleting"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			facts := identityFacts{ServiceAccount: sa, Wanted: test.wanted, Secret: test.secret, Want: test.want, Now: test.now}
			before := test.secret.DeepCopy()
			d := decideIdentity(facts)
			if d.Action != test.action || d.Reason != test.reason {
				t.Errorf("decision %+v, want %s %s", d, test.action, test.reason)
			}
			if diff := cmp.Diff(before, test.secret); diff != "" {
				t.Errorf("deciding changed the Secret: %s", diff)
			}
		})
	}
	for name, s := range foreign {
		for _, wanted := range []bool{true, false} {
			for _, w := range []*pki.Want{want, nil} {
				d := decideIdentity(identityFacts{ServiceAccount: sa, Wanted: wanted, Secret: s, Want: w, Now: noon})
				if wanted && d.Action != identityRefuse || !wanted && d.Action != identityKeep {
					t.Errorf("a Secret %s, wanted %v: %+v", name, wanted, d)
				}
			}
		}
	}
}

func TestWantsIdentities(t *testing.T) {
	tests := []struct {
		namespace, label string
		want             identityWish
	}{
		{"shop", naming.InjectionEnabled, identitiesForAll},
		{"shop", naming.InjectionDisabled, identitiesForNone},
		{"shop", "", identitiesForPods},
		{"shop", "true", identitiesForPods},
		{"warifu-system", naming.InjectionEnabled, identitiesForOperator},
		{"warifu-system", naming.InjectionDisabled, identitiesForOperator},
		{"kube-system", naming.InjectionEnabled, identitiesForNone},
		{"kube-system", "", identitiesForNone},
	}
	for _, test := range tests {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: test.namespace, Labels: map[string]string{naming.LabelInjection: test.label}}}
		if got := wantsIdentities(namespace, "warifu-system"); got != test.want {
			t.Errorf("%s %q: %v, want %v", test.namespace, test.label, got, test.want)
		}
	}
}

func TestIndexPodByIdentity(t *testing.T) {
	pod := func(label, serviceAccount string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{naming.LabelInject: label}},
			Spec:       corev1.PodSpec{ServiceAccountName: serviceAccount},
			Status:     corev1.PodStatus{Phase: phase},
		}
	}
	tests := []struct {
		pod  *corev1.Pod
		want []string
	}{
		{pod("true", "cart", corev1.PodPending), []string{"cart"}},
		{pod("true", "", corev1.PodRunning), []string{"default"}},
		{pod("true", "cart", corev1.PodSucceeded), nil},
		{pod("true", "cart", corev1.PodFailed), nil},
		{pod("false", "cart", corev1.PodRunning), nil},
		{pod("", "cart", corev1.PodRunning), nil},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, indexPodByIdentity(test.pod)); diff != "" {
			t.Errorf("%+v: %s", test.pod, diff)
		}
	}
}

func TestTally(t *testing.T) {
	changes := 0
	states := newTally(func() { changes++ })
	name := func(s string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: s} }
	states.record(name("a"), identityEntry{State: identityIssued, RenewAt: noon.Add(time.Hour)})
	states.record(name("b"), identityEntry{State: identityIssued, RenewAt: noon})
	states.record(name("b"), identityEntry{State: identityIssued, RenewAt: noon}) // the same again is no change
	states.record(name("c"), identityEntry{State: identityPending})
	states.record(name("z"), identityEntry{State: identityFailed, Reason: "IssueFailed", Message: "no"})
	states.record(name("y"), identityEntry{State: identityFailed, Reason: v1alpha1.ReasonSecretNotOurs, Message: "not ours"})
	states.forget(name("unknown"))
	want := identityCounts{Issued: 2, Pending: 1, Failed: 2, NextRenewal: noon,
		Failures: []string{"shop/y: not ours", "shop/z: no"}, FailureReason: v1alpha1.ReasonSecretNotOurs}
	if diff := cmp.Diff(want, states.counts()); diff != "" {
		t.Error(diff)
	}
	if changes != 5 {
		t.Errorf("%d changes told, want 5", changes)
	}
	if before := states.record(name("z"), identityEntry{State: identityIssued}); before.State != identityFailed {
		t.Errorf("before: %+v", before)
	}
	states.forget(name("y"))
	if c := states.counts(); c.Failed != 0 || c.Issued != 3 {
		t.Errorf("counts: %+v", c)
	}
}
