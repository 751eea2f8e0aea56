package pki

import (
	"crypto/x509"
	"testing"
)

// TestSignaturesAreNotConfused: what is remembered of one certificate and signer says nothing of another.
func TestSignaturesAreNotConfused(t *testing.T) {
	ca, otherCA := mustCA(t), mustCA(t)
	id := mustID(t, "spiffe://cluster.local/ns/shop/sa/cart")
	cert := func(by *CA) *x509.Certificate {
		cert, err := by.SignWorkload(WorkloadRequest{ID: id, PublicKey: mustKey(t, ECDSAP256).Public(), Lifetime: day}, now)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	var s signatures
	good, foreign := cert(ca), cert(otherCA)
	tampered := append([]byte(nil), good.Raw...)
	tampered[len(tampered)-1] ^= 1
	forged, err := x509.ParseCertificate(tampered)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from memory
		if err := s.check(good, ca.Signer); err != nil {
			t.Error(err)
		}
		for name, bad := range map[string]error{
			"another's certificate": s.check(foreign, ca.Signer),
			"another signer":        s.check(good, otherCA.Signer),
			"a forged signature":    s.check(forged, ca.Signer),
		} {
			if bad == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
	if slot, hash := s.slotOf(good, ca.Signer); *slot != hash {
		t.Error("the good one is not remembered")
	}
}

// BenchmarkIssue is what an identity costs: key and certificate, and the two looks at what was issued.
func BenchmarkIssue(b *testing.B) {
	ca := mustCA(b)
	want := Want{ID: mustID(b, "spiffe://cluster.local/ns/shop/sa/cart"), Algorithm: ECDSAP256, Lifetime: day, Authority: ca.Authority}
	b.ReportAllocs()
	for b.Loop() {
		files, _ := issue(b, ca, want, now)
		for range 2 {
			if v := Judge(files, want, now); v.Reason != Valid {
				b.Fatal(v)
			}
		}
	}
}
