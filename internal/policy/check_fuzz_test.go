package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/randfill"

	"github.com/warifu/warifu/api/v1alpha1"
)

// FuzzCheck fills objects at random, nil pointers and nonsense included: no panic, the same findings twice, the object
// unmodified, and every finding complete.
func FuzzCheck(f *testing.F) {
	for _, seed := range [][]byte{nil, []byte("warifu"), {0, 1, 2, 3, 255, 254, 253, 7, 7, 7, 7, 1, 0, 0, 1}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fill := randfill.NewFromGoFuzz(data).NilChance(0.2).NumElements(0, 3).Funcs(
			func(s *string, r randfill.Continue) { *s = telling[r.Intn(len(telling))] + r.String(4) },
		)
		var s Settings
		fill.Fill(&s)
		fuzzCheck(t, fill, s, CheckPeerAuthentication, (*v1alpha1.PeerAuthentication).DeepCopy)
		fuzzCheck(t, fill, s, CheckDestinationRule, (*v1alpha1.DestinationRule).DeepCopy)
		fuzzCheck(t, fill, s, CheckAuthorizationPolicy, (*v1alpha1.AuthorizationPolicy).DeepCopy)
	})
}

// telling are beginnings of strings that get further into the checks than random ones do.
var telling = []string{"", "", "*", "*.", "/", "/{*}/", "/..", "a", "a/b", "spiffe://", "cluster.local/ns/a/sa/b", "*/sa/", "10.0.0.1", "10.0.0.0/8", "::1", "80",
	"source.principal", "source.ip", "destination.port", "request.headers[a]", "request.auth.", "true", "~", ".", "SIMPLE", "MUTUAL", "DENY", "/var/run/secrets/warifu.dev/"}

func fuzzCheck[T any](t *testing.T, fill *randfill.Filler, s Settings, check func(*T, Settings) []Finding, clone func(*T) *T) {
	t.Helper()
	object := new(T)
	fill.Fill(object)
	before := clone(object)
	findings := check(object, s)
	if diff := cmp.Diff(before, object); diff != "" {
		t.Fatalf("the object was modified:\n%s", diff)
	}
	if diff := cmp.Diff(findings, check(object, s)); diff != "" {
		t.Fatalf("two answers:\n%s", diff)
	}
	for _, f := range findings {
		if f.Field == "" || f.Message == "" || f.Reason == "" || (f.Severity != SeverityError && f.Severity != SeverityWarning) {
			t.Errorf("incomplete finding %+v", f)
		}
	}
}
