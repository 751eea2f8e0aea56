package webhooks

import (
	"crypto/x509"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

var (
	epoch       = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	testOptions = CertificateOptions{Names: []string{"warifu-webhook.warifu-system.svc", "127.0.0.1", "a.example"}}.withDefaults()
)

const day = 24 * time.Hour

// begun is fresh material.
func begun(t *testing.T, now time.Time) material {
	t.Helper()
	return performed(t, actionBegin, material{}, nil, now)
}

func performed(t *testing.T, a action, m material, trusted []*x509.Certificate, now time.Time) material {
	t.Helper()
	m, err := testOptions.perform(a, m, trusted, now)
	if err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	return stored(t, m)
}

// stored is the material after it was written to a Secret and read again.
func stored(t *testing.T, m material) material {
	t.Helper()
	secret, err := secretOf("warifu-system", m)
	if err != nil {
		t.Fatal(err)
	}
	return parseMaterial(&corev1.Secret{Data: secret.Data})
}

// accepts tells whether an API server that trusts the bundle accepts what is served.
func accepts(bundle []*x509.Certificate, leaf *x509.Certificate, now time.Time) error {
	roots := x509.NewCertPool()
	for _, cert := range bundle {
		roots.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: "warifu-webhook.warifu-system.svc"})
	return err
}

func TestNextStep(t *testing.T) {
	fresh := begun(t, epoch)
	prepared := performed(t, actionPrepare, fresh, nil, epoch)
	swapped := performed(t, actionSwap, prepared, nil, epoch)
	with := func(m material, edit func(*material)) material { edit(&m); return m }
	renewal := pki.RenewAt(fresh.leaf)

	tests := []struct {
		name        string
		m           material
		unpublished bool
		after       time.Duration
		want        action
	}{
		{"nothing there", material{}, false, 0, actionBegin},
		{"fresh", fresh, false, 0, actionNone},
		{"just before renewal", fresh, false, renewal.Sub(epoch) - time.Second, actionNone},
		{"renewal due", fresh, false, renewal.Sub(epoch), actionServe},
		{"serving certificate expired", fresh, false, 31 * day, actionServe},
		{"serving certificate lost", with(fresh, func(m *material) { m.leaf = nil }), false, 0, actionServe},
		{"serving certificate of another CA", with(fresh, func(m *material) { m.leaf = begun(t, epoch).leaf }), false, 0, actionServe},
		{"clock before the beginning", fresh, false, -time.Hour, actionBegin},
		{"CA expired", fresh, false, 366 * day, actionBegin},
		{"CA due", with(performed(t, actionServe, fresh, nil, epoch.Add(240*day)), func(*material) {}), false, 244 * day, actionPrepare},
		{"next CA waits for propagation", prepared, false, 59 * time.Second, actionNone},
		{"next CA waits to be published", prepared, true, time.Hour, actionNone},
		{"next CA may sign", prepared, false, time.Minute, actionSwap},
		{"former CA stays a while", swapped, false, 59 * time.Minute, actionNone},
		{"former CA goes", swapped, false, time.Hour, actionForget},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := epoch.Add(test.after)
			got := testOptions.next(test.m, !test.unpublished, now)
			if got.action != test.want {
				t.Fatalf("got %q (%s), want %q", got.action, got.why, test.want)
			}
			if got.action == actionNone && !got.at.After(now) {
				t.Errorf("looks again at %s, which is not after now, %s", got.at, now)
			}
			if got.action != actionNone && got.why == "" {
				t.Error("no reason given")
			}
		})
	}
}

func TestNamesChange(t *testing.T) {
	m := begun(t, epoch)
	changed := testOptions
	changed.Names = []string{"127.0.0.1", "warifu-webhook.warifu-system.svc", "a.example", "127.0.0.1"}
	if got := changed.next(m, true, epoch); got.action != actionNone {
		t.Errorf("another order asks for %q: %s", got.action, got.why)
	}
	for _, names := range [][]string{{"a.example"}, {"a.example", "warifu-webhook.warifu-system.svc", "127.0.0.2"}} {
		changed.Names = names
		if got := changed.next(m, true, epoch); got.action != actionServe {
			t.Errorf("names %q ask for %q", names, got.action)
		}
	}
}

// TestYears lets three years pass. At every step an API server that is up to a minute behind must accept what a replica
// serves that is up to a minute behind, and the next step never is to begin anew.
func TestYears(t *testing.T) {
	type state struct {
		since  time.Time
		m      material
		bundle []*x509.Certificate
	}
	const lag = 59 * time.Second
	m := begun(t, epoch)
	history := []state{{epoch, m, m.bundle()}}
	current := func(at time.Time) []state {
		live := slices.IndexFunc(history, func(s state) bool { return s.since.After(at.Add(-lag)) })
		if live < 0 {
			return history[len(history)-1:]
		}
		return history[max(0, live-1):]
	}
	check := func(now time.Time) {
		for _, seen := range current(now) {
			for _, served := range current(now) {
				if err := accepts(seen.bundle, served.m.leaf, now); err != nil {
					t.Fatalf("at %s: %v", now, err)
				}
			}
		}
	}
	counts := map[action]int{}
	for now := epoch; now.Before(epoch.Add(3 * 365 * day)); {
		due := testOptions.next(m, true, now)
		counts[due.action]++
		switch due.action {
		case actionNone:
			check(due.at)
			if now = due.at; !now.After(history[len(history)-1].since) {
				t.Fatalf("time does not pass at %s", now)
			}
		case actionBegin:
			t.Fatalf("at %s: %s", now, due.why)
		default:
			m = performed(t, due.action, m, nil, now)
			history = append(history, state{now, m, m.bundle()})
			check(now)
		}
	}
	if counts[actionSwap] != 4 || counts[actionPrepare] != 4 || counts[actionForget] != 4 || counts[actionServe] < 3*20 {
		t.Errorf("steps taken: %v", counts)
	}
}

// TestBeginKeepsTrust: after the Secret was deleted, replicas go on serving from memory until they see the new one.
func TestBeginKeepsTrust(t *testing.T) {
	old := begun(t, epoch)
	expired := begun(t, epoch.Add(-366*day))
	now := epoch.Add(day)
	m := performed(t, actionBegin, material{}, append(old.bundle(), expired.bundle()...), now)
	for name, leaf := range map[string]*x509.Certificate{"old": old.leaf, "new": m.leaf} {
		if err := accepts(m.bundle(), leaf, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(m.bundle()); got != 2 {
		t.Errorf("%d certificates are trusted, want the new and the old one", got)
	}
}

// TestGarbled: whatever is in the Secret, there is a step that mends it.
func TestGarbled(t *testing.T) {
	secret, err := secretOf("warifu-system", performed(t, actionPrepare, begun(t, epoch), nil, epoch))
	if err != nil {
		t.Fatal(err)
	}
	other, err := secretOf("warifu-system", begun(t, epoch))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]action{
		naming.FileCert: actionServe, naming.FileKey: actionServe, naming.FileCA: actionNone,
		keySignerCert: actionBegin, keySignerKey: actionBegin, keyNextCert: actionNone, keyNextKey: actionNone,
	}
	for key := range secret.Data {
		for kind, garbage := range map[string][]byte{"empty": nil, "garbage": []byte("garbage"), "another's": other.Data[key]} {
			if kind == "another's" && garbage == nil {
				continue
			}
			data := maps.Clone(secret.Data)
			data[key] = garbage
			m := parseMaterial(&corev1.Secret{Data: data})
			got := testOptions.next(m, false, epoch)
			if got.action != want[key] {
				t.Errorf("%s %s: %q (%s), want %q", kind, key, got.action, got.why, want[key])
			}
			m = performed(t, got.action, m, nil, epoch)
			if err := accepts(m.bundle(), m.leaf, epoch); err != nil {
				t.Errorf("%s %s: after %q: %v", kind, key, got.action, err)
			}
		}
	}
}
