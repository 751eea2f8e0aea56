package mtls

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// revocations are the revocation lists that the user gave, by the subject of their CA as it stands in certificates. nil
// revokes nothing.
type revocations map[string][]revocationList

type revocationList struct {
	list    *x509.RevocationList
	serials map[string]struct{}
}

// parseRevocations reads PEM lists. It is strict: a list that is only a part of what it seems to be would let in what
// another part revokes.
func parseRevocations(pemData []byte) (revocations, error) {
	if len(pemData) > maxBundle {
		return nil, fmt.Errorf("revocation lists of %d bytes: at most %d are allowed", len(pemData), maxBundle)
	}
	parsed := revocations{}
	for rest := pemData; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("PEM block %q where an X509 CRL is wanted", block.Type)
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, err
		}
		complete, err := newRevocationList(list)
		if err != nil {
			return nil, fmt.Errorf("list of %q: %w", list.Issuer, err)
		}
		issuer := string(list.RawIssuer)
		parsed[issuer] = append(parsed[issuer], complete)
	}
	if len(parsed) == 0 {
		return nil, errors.New("no revocation list in it")
	}
	return parsed, nil
}

// newRevocationList refuses lists with a critical extension: delta lists, those of a part of the certificates, and those of
// other CAs' certificates say so in one (RFC 5280, section 5.2).
func newRevocationList(list *x509.RevocationList) (revocationList, error) {
	l := revocationList{list: list, serials: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	if err := noCritical(list.Extensions); err != nil {
		return l, err
	}
	if list.NextUpdate.IsZero() {
		return l, errors.New("it does not say until when it holds")
	}
	for _, entry := range list.RevokedCertificateEntries {
		if err := noCritical(entry.Extensions); err != nil {
			return l, err
		}
		l.serials[serialKey(entry.SerialNumber)] = struct{}{}
	}
	return l, nil
}

func noCritical(extensions []pkix.Extension) error {
	for _, e := range extensions {
		if e.Critical {
			return fmt.Errorf("critical extension %s is not supported: give a complete list of the CA's own certificates", e.Id)
		}
	}
	return nil
}

func serialKey(serial *big.Int) string { return serial.Text(62) }

// check is nil when one of the chains has nothing that is revoked. With any list at all every CA on the chain must have one
// that holds now, as in the model: otherwise leaving a list out would be the way around it.
func (r revocations) check(chains [][]*x509.Certificate, now time.Time) error {
	if r == nil {
		return nil
	}
	var refused error
	for _, chain := range chains {
		if refused = r.checkChain(chain, now); refused == nil {
			return nil
		}
	}
	return refused
}

// checkChain looks at every certificate but the root, which nobody above it can revoke.
func (r revocations) checkChain(chain []*x509.Certificate, now time.Time) error {
	for i, cert := range chain[:len(chain)-1] {
		if err := r.checkOne(cert, chain[i+1], now); err != nil {
			return err
		}
	}
	return nil
}

func (r revocations) checkOne(cert, issuer *x509.Certificate, now time.Time) error {
	problem := fmt.Errorf("caCrl has no list of %q, which issued %q", issuer.Subject, cert.Subject)
	current := false
	for _, l := range r[string(issuer.RawSubject)] {
		if err := l.list.CheckSignatureFrom(issuer); err != nil {
			problem = fmt.Errorf("caCrl: list of %q is not signed by it: %w", issuer.Subject, err)
			continue
		}
		if _, revoked := l.serials[serialKey(cert.SerialNumber)]; revoked {
			return fmt.Errorf("certificate %s of %q is revoked by %q", cert.SerialNumber.Text(16), cert.Subject, issuer.Subject)
		}
		if now.Before(l.list.ThisUpdate) || now.After(l.list.NextUpdate) {
			problem = fmt.Errorf("caCrl: list of %q holds from %s to %s only: renew it", issuer.Subject,
				l.list.ThisUpdate.Format(time.RFC3339), l.list.NextUpdate.Format(time.RFC3339))
			continue
		}
		current = true
	}
	if !current {
		return problem
	}
	return nil
}
