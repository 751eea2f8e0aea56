package webhooks

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// CertificateOptions describe the webhook's own certificates.
type CertificateOptions struct {
	// Names under which the API server reaches the webhook: DNS names or IP addresses.
	Names []string
	// CALifetime is a year, ServingLifetime 30 days unless set. The CA is replaced at two thirds of its life, so it must live
	// much longer than what it signs.
	CALifetime, ServingLifetime time.Duration
	// Propagation is how long every API server is given to learn of a new CA before anything is signed by it, and Retention
	// how long an old CA stays trusted afterwards: a minute and an hour unless set.
	Propagation, Retention time.Duration
}

// ServiceNames are the names of the webhook's Service.
func ServiceNames(namespace string) []string {
	name := naming.ServiceWebhook + "." + namespace
	return []string{name + ".svc", name}
}

func (o CertificateOptions) withDefaults() CertificateOptions {
	const day = 24 * time.Hour
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.CALifetime, 365 * day}, {&o.ServingLifetime, 30 * day}, {&o.Propagation, time.Minute}, {&o.Retention, time.Hour}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}

// material is what the Secret holds. Parts that are missing or unreadable are nil.
type material struct {
	// signer is the CA that signed the serving certificate.
	signer *pki.CA
	// next is the CA that will sign: it is published first, so that every API server trusts it when it does.
	next *pki.CA
	// former are CAs that signed before, trusted until no replica serves anything of theirs.
	former []*x509.Certificate
	// serving is the certificate and key that the webhook shows; leaf is its parsed form, nil unless the two belong together.
	serving pki.Files
	leaf    *x509.Certificate
}

// bundle is what API servers must trust.
func (m material) bundle() []*x509.Certificate {
	var out []*x509.Certificate
	for _, ca := range []*pki.CA{m.signer, m.next} {
		if ca != nil {
			out = append(out, ca.Signer)
		}
	}
	return append(out, m.former...)
}

// action is one step towards the material that should be.
type action string

const (
	// actionNone: all is as it should be until step.at.
	actionNone action = ""
	// actionBegin makes CA and serving certificate anew, at once: there is nothing that could still work.
	actionBegin action = "Begin"
	// actionServe makes a serving certificate of the present CA.
	actionServe action = "Serve"
	// actionPrepare makes the next CA and has it trusted.
	actionPrepare action = "Prepare"
	// actionSwap lets the next CA sign.
	actionSwap action = "Swap"
	// actionForget ends the trust in former CAs.
	actionForget action = "Forget"
)

// step is what to do now and why, or, with actionNone, when to look again.
type step struct {
	action action
	why    string
	at     time.Time
}

// next decides on the next step. published says that the API server has been told of the whole bundle.
func (o CertificateOptions) next(m material, published bool, now time.Time) step {
	if m.signer == nil {
		return step{action: actionBegin, why: "there is no readable CA"}
	}
	if err := m.signer.Usable(now); err != nil {
		return step{action: actionBegin, why: err.Error()}
	}
	if why := o.unservable(m, now); why != "" {
		return step{action: actionServe, why: why}
	}
	look := renewAt(m)
	switch prepareAt := at(m.signer.Signer, 2./3); {
	case m.next != nil && m.next.Usable(now) == nil:
		swapAt := issued(m.next.Signer).Add(o.Propagation)
		if published && !now.Before(swapAt) {
			return step{action: actionSwap, why: "the next CA is trusted"}
		}
		if !now.Before(swapAt) { // not published yet: that is tried again meanwhile
			swapAt = now.Add(o.Propagation)
		}
		look = earlier(look, swapAt)
	case !now.Before(prepareAt):
		return step{action: actionPrepare, why: "the CA has lived for two thirds of its life"}
	default:
		look = earlier(look, prepareAt)
	}
	if len(m.former) > 0 {
		forgetAt := issued(m.leaf).Add(o.Retention)
		if !now.Before(forgetAt) {
			return step{action: actionForget, why: "nothing of a former CA is served any more"}
		}
		look = earlier(look, forgetAt)
	}
	return step{at: look}
}

// unservable says why the serving certificate has to be replaced, or "".
func (o CertificateOptions) unservable(m material, now time.Time) string {
	dns, ips := o.names()
	switch leaf := m.leaf; {
	case leaf == nil:
		return "there is no readable serving certificate"
	case leaf.CheckSignatureFrom(m.signer.Signer) != nil:
		return "the serving certificate is not the CA's"
	case now.Before(leaf.NotBefore), !now.Before(leaf.NotAfter):
		return "the serving certificate is not valid now"
	case !now.Before(renewAt(m)):
		return "half of the serving certificate's life is over"
	case !slices.Equal(leaf.DNSNames, dns) || !slices.EqualFunc(leaf.IPAddresses, ips, net.IP.Equal):
		return fmt.Sprintf("the serving certificate names %s%s", leaf.DNSNames, leaf.IPAddresses)
	}
	return ""
}

// perform carries a step out. trusted is what API servers trust now; a new beginning leaves of it what is still valid, because
// replicas may go on serving what they have in memory.
func (o CertificateOptions) perform(a action, m material, trusted []*x509.Certificate, now time.Time) (material, error) {
	var err error
	switch a {
	case actionBegin:
		m = material{former: slices.DeleteFunc(slices.Clone(trusted), func(c *x509.Certificate) bool { return !now.Before(c.NotAfter) })}
		if m.signer, err = o.newCA(now); err != nil {
			return m, err
		}
		return o.serve(m, now)
	case actionServe:
		return o.serve(m, now)
	case actionPrepare:
		m.next, err = o.newCA(now)
		return m, err
	case actionSwap:
		m.former = append([]*x509.Certificate{m.signer.Signer}, m.former...)
		m.signer, m.next = m.next, nil
		return o.serve(m, now)
	case actionForget:
		m.former = nil
	case actionNone:
	}
	return m, nil
}

func (o CertificateOptions) newCA(now time.Time) (*pki.CA, error) {
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "Warifu webhook CA", Algorithm: pki.ECDSAP256, Lifetime: o.CALifetime}, now)
	if err != nil {
		return nil, fmt.Errorf("making the webhook's CA: %w", err)
	}
	return ca, nil
}

// serve gives the material a new serving certificate with a new key.
func (o CertificateOptions) serve(m material, now time.Time) (material, error) {
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		return m, fmt.Errorf("making the webhook's key: %w", err)
	}
	dns, ips := o.names()
	m.leaf, err = m.signer.SignServing(pki.ServingRequest{
		DNSNames: dns, IPAddresses: ips, PublicKey: key.Public(), Lifetime: o.ServingLifetime,
	}, now)
	if err != nil {
		return m, fmt.Errorf("the webhook's serving certificate: %w", err)
	}
	m.serving.Cert = pki.EncodeCertificates(m.leaf)
	m.serving.Key, err = pki.EncodeKey(key)
	return m, err
}

// names splits the names into DNS names and IP addresses, sorted and without repetition.
func (o CertificateOptions) names() (dns []string, ips []net.IP) {
	sorted := slices.Sorted(slices.Values(o.Names))
	for _, name := range slices.Compact(sorted) {
		if ip := net.ParseIP(name); ip != nil {
			ips = append(ips, ip)
		} else {
			dns = append(dns, name)
		}
	}
	return dns, ips
}

// renewAt is when the serving certificate is due: at half of its life, unless it ends with its CA and no other could live
// longer.
func renewAt(m material) time.Time {
	if m.leaf.NotAfter.Before(m.signer.Signer.NotAfter) {
		return pki.RenewAt(m.leaf)
	}
	return m.leaf.NotAfter
}

// issued is when a certificate of ours was signed.
func issued(cert *x509.Certificate) time.Time { return cert.NotBefore.Add(pki.Backdate) }

// at is the moment at which a part of a certificate's life is over.
func at(cert *x509.Certificate, part float64) time.Time {
	life := cert.NotAfter.Sub(issued(cert))
	return issued(cert).Add(time.Duration(float64(life) * part))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
