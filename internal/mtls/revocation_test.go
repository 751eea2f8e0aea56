package mtls

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/pki"
)

// authority is a root with an intermediate below it, and a server's certificate below that.
type authority struct {
	root, intermediate       *x509.Certificate
	rootKey, intermediateKey crypto.Signer
	server                   tls.Certificate
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	var a authority
	a.root, a.rootKey = sign(t, caTemplate("root"), nil, nil)
	a.intermediate, a.intermediateKey = sign(t, caTemplate("intermediate"), a.root, a.rootKey)
	leaf, key := sign(t, dns("api.example"), a.intermediate, a.intermediateKey)
	a.server = tls.Certificate{Certificate: [][]byte{leaf.Raw, a.intermediate.Raw}, PrivateKey: key, Leaf: leaf}
	return a
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// sign makes a key and a certificate for it; without a parent it signs itself.
func sign(t testing.TB, c, parent *x509.Certificate, parentKey crypto.Signer) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// revoke is a good revocation list, for a test to spoil.
func revoke(serials ...*big.Int) *x509.RevocationList {
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, serial := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
	}
	return l
}

func signList(t testing.TB, l *x509.RevocationList, ca *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, l, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func TestRevocation(t *testing.T) {
	a := newAuthority(t)
	leaf, intermediate := a.server.Leaf.SerialNumber, a.intermediate.SerialNumber
	byRoot := func(serials ...*big.Int) []byte { return signList(t, revoke(serials...), a.root, a.rootKey) }
	byIntermediate := func(serials ...*big.Int) []byte {
		return signList(t, revoke(serials...), a.intermediate, a.intermediateKey)
	}
	expired := revoke()
	expired.ThisUpdate, expired.NextUpdate = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	expiredRevoking := revoke(leaf)
	expiredRevoking.ThisUpdate, expiredRevoking.NextUpdate = expired.ThisUpdate, expired.NextUpdate
	future := revoke()
	future.ThisUpdate = time.Now().Add(30 * time.Minute)
	forgerKey := newAuthority(t).intermediateKey
	forger := *a.intermediate // the same name, another key
	forger.PublicKey = forgerKey.Public()
	tests := []struct {
		name  string
		lists [][]byte
		want  string // "" accepts
	}{
		{"nothing revoked", [][]byte{byRoot(), byIntermediate()}, ""},
		{"others revoked", [][]byte{byRoot(leaf), byIntermediate(intermediate, big.NewInt(7))}, ""},
		{"leaf revoked", [][]byte{byRoot(), byIntermediate(leaf)}, `is revoked by "CN=intermediate"`},
		{"intermediate revoked", [][]byte{byRoot(intermediate), byIntermediate()}, `is revoked by "CN=root"`},
		{"no list of the root", [][]byte{byIntermediate()}, `no list of "CN=root"`},
		{"no list of the intermediate", [][]byte{byRoot()}, `no list of "CN=intermediate"`},
		{"expired", [][]byte{byRoot(), signList(t, expired, a.intermediate, a.intermediateKey)}, "renew it"},
		{"expired beside a current one", [][]byte{byRoot(), signList(t, expired, a.intermediate, a.intermediateKey), byIntermediate()}, ""},
		{"revoked in the expired one", [][]byte{byRoot(), byIntermediate(), signList(t, expiredRevoking, a.intermediate, a.intermediateKey)}, "is revoked"},
		{"not yet in force", [][]byte{byRoot(), signList(t, future, a.intermediate, a.intermediateKey)}, "renew it"},
		{"signed by another key", [][]byte{byRoot(), signList(t, revoke(), &forger, forgerKey)}, "not signed by it"},
		{"forged one beside a true one", [][]byte{byRoot(), signList(t, revoke(leaf), &forger, forgerKey), byIntermediate()}, ""},
	}
	roots := pki.EncodeCertificates(a.root)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var lists []byte
			for _, l := range test.lists {
				lists = append(lists, l...)
			}
			client := foreignClient(t, Foreign{CACertificates: roots, CACRL: lists, SubjectAltNames: []string{"api.example"}})
			_, _, err := handshake(t, &tls.Config{Certificates: []tls.Certificate{a.server}}, client)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestRevocationExpiresWhileRunning: a list that held when the configuration was made ends the trust when it ends.
func TestRevocationExpiresWhileRunning(t *testing.T) {
	a, now := newAuthority(t), time.Now()
	short := revoke()
	short.NextUpdate = now.Add(10 * time.Minute)
	lists := append(signList(t, revoke(), a.root, a.rootKey), signList(t, short, a.intermediate, a.intermediateKey)...)
	foreign := Foreign{CACertificates: pki.EncodeCertificates(a.root), CACRL: lists, SubjectAltNames: []string{"api.example"}, Now: func() time.Time { return now }}
	client, server := foreignClient(t, foreign), &tls.Config{Certificates: []tls.Certificate{a.server}}
	if _, _, err := handshake(t, server, client); err != nil {
		t.Fatal(err)
	}
	now = now.Add(11 * time.Minute)
	if _, _, err := handshake(t, server, client); err == nil || !strings.Contains(err.Error(), "renew it") {
		t.Errorf("an expired list is taken for a current one: %v", err)
	}
}

func TestPartialListsAreRefused(t *testing.T) {
	a := newAuthority(t)
	critical := []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	scoped := revoke()
	scoped.ExtraExtensions = critical
	indirect := revoke(big.NewInt(7))
	indirect.RevokedCertificateEntries[0].ExtraExtensions = critical
	for name, list := range map[string]*x509.RevocationList{"scoped": scoped, "indirect": indirect} {
		_, err := ForeignClientConfig(Foreign{
			CACertificates: pki.EncodeCertificates(a.root), SubjectAltNames: []string{"api.example"},
			CACRL: signList(t, list, a.root, a.rootKey),
		})
		if err == nil || !strings.Contains(err.Error(), "critical extension 2.5.29.28") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
