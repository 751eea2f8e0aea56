package pki

import (
	"crypto"
	"crypto/x509"
	"net/url"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// issue makes the files of an identity with a key of its own.
func issue(t testing.TB, ca *CA, want Want, at time.Time) (Files, crypto.Signer) {
	t.Helper()
	key := mustKey(t, want.Algorithm)
	cert, err := ca.SignWorkload(WorkloadRequest{ID: want.ID, PublicKey: key.Public(), Lifetime: want.Lifetime}, at)
	if err != nil {
		t.Fatal(err)
	}
	return filesOf(t, ca, cert, key), key
}

func filesOf(t testing.TB, ca *CA, cert *x509.Certificate, key crypto.Signer) Files {
	t.Helper()
	keyPEM, err := EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return Files{Cert: EncodeCertificates(cert), Key: keyPEM, CA: EncodeCertificates(ca.Roots...)}
}

func TestJudge(t *testing.T) {
	ca, otherCA := mustCA(t), mustCA(t)
	id := mustID(t, "spiffe://cluster.local/ns/shop/sa/cart")
	want := Want{ID: id, Algorithm: ECDSAP256, Lifetime: day, Authority: ca.Authority}
	good, key := issue(t, ca, want, now)
	otherGood, _ := issue(t, ca, want, now)

	with := func(change func(*Want)) Want { w := want; change(&w); return w }
	files := func(change func(*Files)) Files { f := good; change(&f); return f }
	own := func(change func(*x509.Certificate)) Files {
		template := leaf(day, now)
		template.URIs = []*url.URL{id.URL()}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		change(template)
		return filesOf(t, ca, signed(t, ca, template, key.Public()), key)
	}

	tests := []struct {
		name string
		have Files
		want Want
		now  time.Time
		is   Reason
	}{
		{"valid", good, want, now, Valid},
		{"nothing", Files{}, want, now, Missing},
		{"emptied certificate", files(func(f *Files) { f.Cert = nil }), want, now, Missing},
		{"emptied key", files(func(f *Files) { f.Key = nil }), want, now, Missing},
		{"garbled certificate", files(func(f *Files) { f.Cert = []byte("x") }), want, now, Unreadable},
		{"garbled key", files(func(f *Files) { f.Key = []byte("x") }), want, now, Unreadable},
		{"key of another", files(func(f *Files) { f.Key = otherGood.Key }), want, now, KeyMismatch},
		{"other identity", good, with(func(w *Want) { w.ID = mustID(t, "spiffe://cluster.local/ns/shop/sa/other") }), now, WrongIdentity},
		{"two URI SANs", own(func(c *x509.Certificate) { c.URIs = append(c.URIs, id.URL()) }), want, now, WrongIdentity},
		{"no URI SAN", own(func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"cart"} }), want, now, WrongIdentity},
		{"client only", own(func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }), want, now, WrongUsage},
		{"a CA", own(func(c *x509.Certificate) { c.IsCA = true }), want, now, WrongUsage},
		{"no signature", own(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), want, now, WrongUsage},
		{"other algorithm", good, with(func(w *Want) { w.Algorithm = Ed25519 }), now, WrongKeyAlgorithm},
		{"other CA", good, with(func(w *Want) { w.Authority = otherCA.Authority }), now, OtherSigner},
		{"new intermediate", good, with(func(w *Want) { w.Authority.Intermediates = otherCA.Roots }), now, OtherSigner},
		{"early", good, want, now.Add(-Backdate - time.Second), NotYetValid},
		{"expired", good, want, now.Add(day), Expired},
		{"shorter lifetime wanted", good, with(func(w *Want) { w.Lifetime = time.Hour }), now, LifetimeChanged},
		{"longer lifetime wanted", good, with(func(w *Want) { w.Lifetime = 48 * time.Hour }), now, LifetimeChanged},
		{"before the jitter", good, want, now.Add(9 * time.Hour), Valid},
		{"after the jitter", good, want, now.Add(15 * time.Hour), RenewalDue},
		{"other roots", files(func(f *Files) { f.CA = EncodeCertificates(otherCA.Roots...) }), want, now, RootsChanged},
		{"no roots", files(func(f *Files) { f.CA = nil }), want, now, RootsChanged},
		{"a second root", good, with(func(w *Want) { w.Authority.Roots = []*x509.Certificate{ca.Signer, otherCA.Signer} }), now, RootsChanged},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict := Judge(test.have, test.want, test.now)
			if verdict.Reason != test.is {
				t.Errorf("Judge = %q (%s), want %q", verdict.Reason, verdict.Message, test.is)
			}
			if (verdict.Message == "") != (test.is == Valid) || verdict.RenewAt.IsZero() != (test.is != Valid) {
				t.Errorf("verdict is not complete: %+v", verdict)
			}
		})
	}
}

// TestJudgeTowardsTheEndOfTheCA: a certificate that ends with its CA is not renewed faster and faster.
func TestJudgeTowardsTheEndOfTheCA(t *testing.T) {
	ca := mustCA(t)
	end := ca.Signer.NotAfter
	want := Want{ID: mustID(t, "spiffe://cluster.local/ns/a/sa/b"), Algorithm: ECDSAP256, Lifetime: day, Authority: ca.Authority}
	files, _ := issue(t, ca, want, end.Add(-time.Hour))
	verdict := Judge(files, want, end.Add(-time.Minute))
	if verdict.Reason != Valid || !verdict.RenewAt.Equal(end) {
		t.Errorf("verdict %+v, want valid until %s", verdict, end)
	}
	if verdict := Judge(files, want, end); verdict.Reason != Expired {
		t.Errorf("verdict %+v, want Expired", verdict)
	}
}

func TestRenewAt(t *testing.T) {
	ca := mustCA(t)
	id := mustID(t, "spiffe://cluster.local/ns/a/sa/b")
	key := mustKey(t, ECDSAP256)
	distinct := map[time.Time]bool{}
	for range 50 {
		cert, err := ca.SignWorkload(WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: day}, now)
		if err != nil {
			t.Fatal(err)
		}
		at := RenewAt(cert)
		if after := at.Sub(now); after < 9*time.Hour+30*time.Minute || after > 14*time.Hour+30*time.Minute {
			t.Errorf("renewed after %s", after)
		}
		if !RenewAt(cert).Equal(at) {
			t.Error("the moment of renewal is not the certificate's own")
		}
		distinct[at] = true
	}
	if len(distinct) < 40 {
		t.Errorf("50 certificates are renewed at %d moments", len(distinct))
	}

	// Short lives, as tests use them, and certificates that are not back-dated, as others sign them.
	short, err := ca.SignWorkload(WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: 10 * time.Second}, now)
	if err != nil {
		t.Fatal(err)
	}
	if at := RenewAt(short); !at.After(now) || !at.Before(short.NotAfter) {
		t.Errorf("a life of 10s is renewed at %s, signed at %s", at, now)
	}
	foreign := &x509.Certificate{NotBefore: now, NotAfter: now.Add(time.Minute)}
	if at := RenewAt(foreign); !at.After(now) || !at.Before(foreign.NotAfter) {
		t.Errorf("a foreign certificate of 1m is renewed at %s, begins at %s", at, now)
	}
}

func TestJudgeNobody(t *testing.T) {
	ca := mustCA(t)
	want := Want{ID: mustID(t, "spiffe://cluster.local/ns/a/sa/b"), Algorithm: ECDSAP256, Lifetime: day, Authority: ca.Authority}
	files, _ := issue(t, ca, want, now)
	want.ID = identity.ID{}
	if verdict := Judge(files, want, now); verdict.Reason != WrongIdentity {
		t.Errorf("a certificate is judged right for nobody: %+v", verdict)
	}
}
