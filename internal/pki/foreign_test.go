package pki

import (
	"crypto/x509"
	"net/url"
	"testing"
	"time"
)

// intermediateOf makes a CA whose certificate another CA has signed.
func intermediateOf(t testing.TB, parent *CA, change func(*x509.Certificate)) *CA {
	t.Helper()
	key := mustKey(t, ECDSAP256)
	template := &x509.Certificate{
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * day), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	template.Subject.CommonName = "intermediate of " + parent.Signer.Subject.CommonName
	if change != nil {
		change(template)
	}
	cert := signed(t, parent, template, key.Public())
	return &CA{key: key, Authority: Authority{
		Signer: cert, Intermediates: append([]*x509.Certificate{cert}, parent.Intermediates...), Roots: parent.Roots,
	}}
}

// rootCA is a CA that CAs may be below of.
func rootCA(t testing.TB) *CA {
	t.Helper()
	key := mustKey(t, ECDSAP256)
	template := &x509.Certificate{
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(60 * day), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	template.Subject.CommonName = "root"
	cert, err := create(template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{key: key, Authority: Authority{Signer: cert, Roots: []*x509.Certificate{cert}}}
}

func TestJudgeWhatSomebodyElseSigned(t *testing.T) {
	root, stranger := rootCA(t), rootCA(t)
	upper := intermediateOf(t, root, nil)
	ca := intermediateOf(t, upper, nil)
	id := mustID(t, "spiffe://cluster.local/ns/shop/sa/cart")
	key := mustKey(t, ECDSAP256)
	want := Want{ID: id, Algorithm: ECDSAP256, Lifetime: day, Authority: Authority{Roots: root.Roots}}

	by := func(ca *CA, change func(*x509.Certificate)) *x509.Certificate {
		template := leaf(day, now)
		template.URIs = []*url.URL{id.URL()}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if change != nil {
			change(template)
		}
		return signed(t, ca, template, key.Public())
	}
	files := func(chain ...*x509.Certificate) Files {
		f := filesOf(t, root, chain[0], key)
		f.Cert = EncodeCertificates(chain...)
		return f
	}
	lives := func(d time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(d) }
	}
	serversOnly := intermediateOf(t, root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	ending := intermediateOf(t, root, func(c *x509.Certificate) { c.NotAfter = now.Add(time.Hour) })

	good := by(ca, nil)
	tests := []struct {
		name string
		have Files
		at   time.Time
		is   Reason
	}{
		{"two intermediates", files(good, ca.Signer, upper.Signer), now, Valid},
		{"by the root itself", files(by(root, nil)), now, Valid},
		{"other root", files(by(stranger, nil)), now, OtherSigner},
		{"an intermediate is missing", files(good, upper.Signer), now, OtherSigner},
		{"out of order", files(good, upper.Signer, ca.Signer), now, OtherSigner},
		{"the root is shown along", files(good, ca.Signer, upper.Signer, root.Signer), now, OtherSigner},
		{"a CA for servers only", files(by(serversOnly, nil), serversOnly.Signer), now, OtherSigner},
		{"a little shorter", files(by(root, lives(22*time.Hour))), now, Valid},
		{"much too short", files(by(root, lives(20*time.Hour))), now, LivesTooShort},
		{"much too short, and over", files(by(root, lives(time.Hour))), now.Add(2 * time.Hour), LivesTooShort},
		{"short because its CA ends", files(by(ending, func(c *x509.Certificate) { c.NotAfter = ending.Signer.NotAfter }), ending.Signer), now, Valid},
		{"back-dated", files(by(root, lives(25*time.Hour))), now, Valid},
		{"much too long", files(by(root, lives(48*time.Hour))), now, LifetimeChanged},
		{"renewed by others at half of its life", files(by(root, nil)), now.Add(15 * time.Hour), Valid},
		{"overdue", files(by(root, nil)), now.Add(18 * time.Hour), RenewalDue},
		{"expired", files(by(root, nil)), now.Add(25 * time.Hour), Expired},
		{"not yet", files(by(root, nil)), now.Add(-time.Hour), NotYetValid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict := Judge(tt.have, want, tt.at)
			if verdict.Reason != tt.is {
				t.Fatalf("%q (%s), want %q", verdict.Reason, verdict.Message, tt.is)
			}
			if verdict.Reason != Valid {
				return
			}
			later := Judge(tt.have, want, verdict.RenewAt)
			if later.Reason != RenewalDue && later.Reason != Expired {
				t.Errorf("at RenewAt the verdict is %q, want a change", later.Reason)
			}
		})
	}
}

func TestPath(t *testing.T) {
	root := rootCA(t)
	upper := intermediateOf(t, root, nil)
	lower := intermediateOf(t, upper, nil)
	stranger := rootCA(t)
	got, top, err := Path([]*x509.Certificate{lower.Signer, stranger.Signer, root.Signer, upper.Signer}, root.Roots, now)
	if err != nil || !top.Equal(root.Signer) || !sameChain(got, []*x509.Certificate{lower.Signer, upper.Signer}) {
		t.Errorf("%d certificates, %v; want the two intermediates in order", len(got), err)
	}
	for name, certs := range map[string][]*x509.Certificate{
		"nothing": nil, "no way": {lower.Signer}, "a root": {root.Signer}, "other root": {stranger.Signer},
	} {
		if path, _, err := Path(certs, root.Roots, now); err == nil {
			t.Errorf("%s: %d certificates, want an error", name, len(path))
		}
	}
}

func TestIsRoot(t *testing.T) {
	root := rootCA(t)
	for name, tt := range map[string]struct {
		cert *x509.Certificate
		want bool
	}{
		"root":         {root.Signer, true},
		"intermediate": {intermediateOf(t, root, nil).Signer, false},
		"named alike":  {intermediateOf(t, root, func(c *x509.Certificate) { c.Subject = root.Signer.Subject }).Signer, false},
	} {
		if got := IsRoot(tt.cert); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
