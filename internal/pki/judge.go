package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// Reason says why a workload certificate has to be replaced; it stands in log, event and metric alike.
type Reason string

// The reasons. Valid is the absence of one.
const (
	Valid Reason = ""
	// Missing: there is none yet.
	Missing Reason = "Missing"
	// Unreadable: what is there cannot be parsed.
	Unreadable Reason = "Unreadable"
	// KeyMismatch: the key is not the certificate's.
	KeyMismatch Reason = "KeyMismatch"
	// WrongIdentity: it names somebody else, or something besides the identity.
	WrongIdentity Reason = "WrongIdentity"
	// WrongUsage: it may not do what a workload does with it, or is a CA.
	WrongUsage Reason = "WrongUsage"
	// WrongKeyAlgorithm: the TrustDomain asks for another algorithm by now.
	WrongKeyAlgorithm Reason = "WrongKeyAlgorithm"
	// OtherSigner: the CA that signed it is not the one that signs now.
	OtherSigner Reason = "OtherSigner"
	// NotYetValid: it begins in the future.
	NotYetValid Reason = "NotYetValid"
	// Expired: its life is over.
	Expired Reason = "Expired"
	// LifetimeChanged: the TrustDomain asks for another lifetime by now.
	LifetimeChanged Reason = "LifetimeChanged"
	// LivesTooShort: whoever signs gave the certificate a much shorter life than it was asked for.
	LivesTooShort Reason = "LivesTooShort"
	// RenewalDue: half of its life, give or take the jitter, is over.
	RenewalDue Reason = "RenewalDue"
	// RootsChanged asks for another ca.crt only; certificate and key are right.
	RootsChanged Reason = "RootsChanged"
)

// Want is what a workload certificate should be now.
//
// Without a signer in the Authority somebody else signs, and renews in time: then any certificate will do that leads to a
// root, its life may differ a little from what was asked for, and renewal is due only where it is overdue.
type Want struct {
	ID        identity.ID
	Algorithm KeyAlgorithm
	Lifetime  time.Duration
	Authority Authority
}

// Verdict on a workload certificate.
type Verdict struct {
	Reason Reason
	// Message tells people more; "" where the certificate is valid.
	Message string
	// RenewAt is when the verdict will change by itself; zero where it will not, or where the certificate has to be
	// replaced now.
	RenewAt time.Time
}

// Judge applies the checks in their order; the first that finds a reason decides.
func Judge(have Files, want Want, now time.Time) Verdict {
	c := candidate{files: have, want: want, now: now}
	for _, check := range checks {
		if reason, message := check(&c); reason != Valid {
			return Verdict{Reason: reason, Message: message}
		}
	}
	renewAt := c.due()
	if c.capped() {
		renewAt = c.chain[0].NotAfter
	}
	return Verdict{RenewAt: renewAt}
}

// checks are ordered so that the most telling reason comes first and the cheapest repair, RootsChanged, last.
var checks = []func(*candidate) (Reason, string){
	isPresent,
	isReadable,
	keyBelongsToCertificate,
	namesTheIdentity,
	servesBothRoles,
	hasTheAlgorithm,
	isSignedByTheSigner,
	isGivenTime,
	isValidNow,
	livesAsLongAsWanted,
	isNotDue,
	hasTheRoots,
}

// candidate is what the checks look at; isReadable fills in chain, and isSignedByTheSigner signer.
type candidate struct {
	files  Files
	want   Want
	now    time.Time
	chain  []*x509.Certificate
	signer *x509.Certificate
}

func isPresent(c *candidate) (Reason, string) {
	if len(c.files.Cert) == 0 || len(c.files.Key) == 0 {
		return Missing, "tls.crt or tls.key is empty"
	}
	return Valid, ""
}

func isReadable(c *candidate) (Reason, string) {
	chain, err := ParseCertificates(c.files.Cert)
	if err != nil {
		return Unreadable, fmt.Sprintf("tls.crt: %v", err)
	}
	c.chain = chain
	return Valid, ""
}

func keyBelongsToCertificate(c *candidate) (Reason, string) {
	key, err := ParseKey(c.files.Key)
	if err != nil {
		return Unreadable, fmt.Sprintf("tls.key: %v", err)
	}
	if !sameKey(key.Public(), c.chain[0].PublicKey) {
		return KeyMismatch, "tls.key is not the key of the certificate in tls.crt"
	}
	return Valid, ""
}

func namesTheIdentity(c *candidate) (Reason, string) {
	id, err := identity.FromCertificate(c.chain[0])
	if err != nil {
		return WrongIdentity, err.Error()
	}
	if id != c.want.ID {
		return WrongIdentity, fmt.Sprintf("the certificate names %s, not %s", id, c.want.ID)
	}
	return Valid, ""
}

func servesBothRoles(c *candidate) (Reason, string) {
	leaf := c.chain[0]
	if leaf.IsCA {
		return WrongUsage, "the certificate is a CA"
	}
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return WrongUsage, "the certificate lacks the key usage digitalSignature"
	}
	var server, client bool
	for _, usage := range leaf.ExtKeyUsage {
		server = server || usage == x509.ExtKeyUsageServerAuth
		client = client || usage == x509.ExtKeyUsageClientAuth
	}
	if !server || !client {
		return WrongUsage, "the certificate does not serve for both client and server"
	}
	return Valid, ""
}

func hasTheAlgorithm(c *candidate) (Reason, string) {
	if has := AlgorithmOf(c.chain[0].PublicKey); has != c.want.Algorithm {
		return WrongKeyAlgorithm, fmt.Sprintf("the key is %s, %s is wanted", has, c.want.Algorithm)
	}
	return Valid, ""
}

func isSignedByTheSigner(c *candidate) (Reason, string) {
	signer := c.want.Authority.Signer
	if signer == nil {
		return leadsToARoot(c)
	}
	c.signer = signer
	if err := checked.check(c.chain[0], signer); err != nil {
		return OtherSigner, fmt.Sprintf("not signed by %q: %v", signer.Subject, err)
	}
	if !sameChain(c.chain[1:], c.want.Authority.Intermediates) {
		return OtherSigner, "tls.crt does not carry the signer's intermediates"
	}
	return Valid, ""
}

func isValidNow(c *candidate) (Reason, string) {
	leaf := c.chain[0]
	if c.now.Before(leaf.NotBefore) {
		return NotYetValid, "not valid before " + leaf.NotBefore.Format(time.RFC3339)
	}
	if !c.now.Before(leaf.NotAfter) {
		return Expired, "expired at " + leaf.NotAfter.Format(time.RFC3339)
	}
	return Valid, ""
}

// livesAsLongAsWanted compares with what would be signed today, at the second in which the certificate was.
func livesAsLongAsWanted(c *candidate) (Reason, string) {
	if c.foreign() {
		return livesNotMuchLonger(c)
	}
	leaf := c.chain[0]
	end := issuedAt(leaf).Add(c.want.Lifetime)
	if last := c.signer.NotAfter; end.After(last) {
		end = last
	}
	if difference := leaf.NotAfter.Sub(end).Abs(); difference > time.Second {
		return LifetimeChanged, fmt.Sprintf("the certificate lives %s, %s is wanted", leaf.NotAfter.Sub(issuedAt(leaf)), c.want.Lifetime)
	}
	return Valid, ""
}

func isNotDue(c *candidate) (Reason, string) {
	if due := c.due(); !c.now.Before(due) && !c.capped() {
		return RenewalDue, "renewal was due at " + due.Format(time.RFC3339)
	}
	return Valid, ""
}

func hasTheRoots(c *candidate) (Reason, string) {
	if !bytes.Equal(c.files.CA, EncodeCertificates(c.want.Authority.Roots...)) {
		return RootsChanged, "ca.crt is not the trust bundle"
	}
	return Valid, ""
}

// capped says that the certificate ends with its CA: another one could not live longer, so until the CA is replaced there
// is nothing to gain by renewing, ever faster, towards the end.
func (c *candidate) capped() bool { return !c.chain[0].NotAfter.Before(c.signer.NotAfter) }

// issuedAt is the moment of signing. A certificate that somebody else signed may not be back-dated as ours are; then its
// beginning is taken.
func issuedAt(leaf *x509.Certificate) time.Time {
	if at := leaf.NotBefore.Add(Backdate); at.Before(leaf.NotAfter) {
		return at
	}
	return leaf.NotBefore
}

// RenewAt is when a certificate is to be renewed: at half of its life, give or take a tenth of it. The jitter comes from
// the certificate itself, so that every replica and every restart finds the same moment, and ten thousand certificates
// made at once do not come due at once.
func RenewAt(leaf *x509.Certificate) time.Time {
	issued := issuedAt(leaf)
	life := leaf.NotAfter.Sub(issued)
	sum := sha256.Sum256(leaf.Raw)
	spread := float64(binary.BigEndian.Uint32(sum[:4]))/(1<<32)*2 - 1 // [-1, 1)
	return issued.Add(life/2 + time.Duration(spread*float64(life)/10))
}

func sameChain(a, b []*x509.Certificate) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}
