package l4

import (
	"fmt"
	"slices"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// again says why the workload would not connect now as it did; nil where it would. Where nobody can be asked, and where the
// endpoint is not one of the address any more, the connection stays: endpoints come and go, and connections outlive that.
func (d *departure) again(r *round) *ending {
	if d.choice != nil && d.proven != nil {
		if e := d.verifyAgain(r); e != nil {
			return e
		}
	}
	answer := r.answer(d.to)
	if answer == nil || !answer.Known {
		return nil
	}
	if d.choice == nil {
		return passesNoMore(answer)
	}
	for _, endpoint := range answer.Endpoints {
		if endpoint.Address != d.endpoint.Address {
			continue
		}
		if now, ok := answer.ChoiceFor(endpoint); ok {
			return d.compare(&now)
		}
	}
	return nil
}

// verifyAgain asks whether what the endpoint proved is still trusted.
func (d *departure) verifyAgain(r *round) *ending {
	expected, err := identities(d.choice)
	if err == nil {
		err = r.verify(d.proven, mtls.OneOf(expected...))
	}
	if err == nil {
		return nil
	}
	e := revoked(ReasonTrustChanged, err.Error())
	return &e
}

// passesNoMore is about a connection that passed through untouched to what turns out to be an address of the cluster.
func passesNoMore(answer *proxyconfig.Address) *ending {
	for _, choice := range answer.TLS {
		if choice.Mode != proxyconfig.ClientDisable {
			e := revoked(ReasonDestinationChanged, "the address belongs to "+named(answer.Service, answer.Address)+" now, which is reached with TLS; connect again")
			e.decidedBy = choice.DecidedBy
			return &e
		}
	}
	return nil
}

// compare looks for a difference that matters between how the connection began and how it would begin now.
func (d *departure) compare(now *proxyconfig.ClientTLS) *ending {
	var detail string
	switch {
	case now.Mode != d.choice.Mode:
		detail = fmt.Sprintf("it began with mode %s, and %s holds now; connect again", d.choice.Mode, now.Mode)
	case d.proven != nil && !slices.Contains(now.Identities, d.proven.id.String()):
		detail = fmt.Sprintf("the endpoint proved to be %s, which is not expected any more; connect again", d.proven.id)
	case d.proven == nil && !sameTLS(now, d.choice):
		detail = "a DestinationRule asks for other TLS now; connect again"
	default:
		return nil
	}
	e := revoked(ReasonDestinationChanged, detail)
	e.decidedBy = now.DecidedBy
	return &e
}

// sameTLS compares what SIMPLE and MUTUAL begin with. What the files hold is not looked at.
func sameTLS(a, b *proxyconfig.ClientTLS) bool {
	return a.SNI == b.SNI && slices.Equal(a.SubjectAltNames, b.SubjectAltNames) &&
		a.InsecureSkipVerify == b.InsecureSkipVerify && a.CredentialName == b.CredentialName &&
		a.ClientCertificate == b.ClientCertificate && a.PrivateKey == b.PrivateKey &&
		a.CACertificates == b.CACertificates && a.CACRL == b.CACRL
}
