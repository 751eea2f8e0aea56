package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Foreign is how a client begins TLS with a server that is known by a name and a CA of the user's own: a DestinationRule's
// SIMPLE (without a certificate) or MUTUAL (with one). Errors call the fields by their names in that kind.
type Foreign struct {
	// CACertificates are the roots that may vouch for the server, PEM. There is no default.
	CACertificates []byte
	// CACRL has the revocation lists of the CAs, PEM; nil: nothing is looked up.
	CACRL []byte
	// ClientCertificate with its intermediates and PrivateKey are shown to a server that asks, PEM; both or neither.
	ClientCertificate, PrivateKey []byte
	// SubjectAltNames are the names of which the server's certificate must carry one. A name with a colon is compared with
	// URIs only, an IP address with IP addresses only, anything else with DNS names only.
	SubjectAltNames []string
	// SNI to send; empty sends none. It does not decide whom the client accepts.
	SNI string
	// InsecureSkipVerify believes whoever answers. It excludes everything that asks for verification.
	InsecureSkipVerify bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// ForeignClientConfig is the configuration of a client of such a server. TLS 1.2 is the oldest version that it speaks, for
// these servers are not ours to renew. Set NextProtos on the result where ALPN is wanted.
func ForeignClientConfig(f Foreign) (*tls.Config, error) {
	config := base()
	config.MinVersion = tls.VersionTLS12
	config.ServerName = f.SNI
	// Turns off only the check against the system's roots; VerifyConnection checks chain, name and revocation.
	config.InsecureSkipVerify = true
	if err := f.showCertificate(config); err != nil {
		return nil, err
	}
	if f.InsecureSkipVerify {
		if err := f.contradiction(); err != nil {
			return nil, err
		}
		return config, nil
	}
	verifier, err := f.verifier()
	if err != nil {
		return nil, err
	}
	config.VerifyConnection = verifier.verify
	return config, nil
}

// UnverifiedClientConfig is the configuration of a client that only wants to know whether a server answers, as kubelet does
// with an HTTPS probe. It proves nothing and believes whoever answers.
func UnverifiedClientConfig() *tls.Config {
	config := base()
	config.MinVersion = tls.VersionTLS12
	config.InsecureSkipVerify = true
	return config
}

func (f *Foreign) showCertificate(config *tls.Config) error {
	if len(f.ClientCertificate) == 0 && len(f.PrivateKey) == 0 {
		return nil
	}
	if max(len(f.ClientCertificate), len(f.PrivateKey)) > maxBundle {
		return fmt.Errorf("clientCertificate, privateKey: at most %d bytes are allowed", maxBundle)
	}
	certificate, err := tls.X509KeyPair(f.ClientCertificate, f.PrivateKey)
	if err != nil {
		return fmt.Errorf("clientCertificate, privateKey: %w", err)
	}
	// Config.Certificates would be held back from a server that does not list our CA, and the server would then tell of a
	// missing certificate instead of an unknown one.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	return nil
}

func (f *Foreign) contradiction() error {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"caCertificates", len(f.CACertificates) > 0},
		{"caCrl", len(f.CACRL) > 0},
		{"subjectAltNames", len(f.SubjectAltNames) > 0},
	} {
		if field.set {
			return fmt.Errorf("insecureSkipVerify turns off what %s asks for: remove one of them", field.name)
		}
	}
	return nil
}

func (f *Foreign) verifier() (*foreignVerifier, error) {
	if len(f.CACertificates) == 0 {
		return nil, errors.New("caCertificates: nobody vouches for the server: name the CA that does; the system's are not used")
	}
	roots, err := ParseBundle(f.CACertificates)
	if err != nil {
		return nil, fmt.Errorf("caCertificates: %w", err)
	}
	if len(f.SubjectAltNames) == 0 {
		return nil, errors.New("subjectAltNames: no name that the server must have: list one")
	}
	v := &foreignVerifier{roots: roots, now: f.Now}
	if v.now == nil {
		v.now = time.Now
	}
	for _, name := range f.SubjectAltNames {
		parsed, err := parseServerName(name)
		if err != nil {
			return nil, fmt.Errorf("subjectAltNames: %w", err)
		}
		v.names = append(v.names, parsed)
	}
	if len(f.CACRL) > 0 {
		if v.revoked, err = parseRevocations(f.CACRL); err != nil {
			return nil, fmt.Errorf("caCrl: %w", err)
		}
	}
	return v, nil
}

// foreignVerifier judges foreign servers. It is not changed after it was made.
type foreignVerifier struct {
	roots   *Bundle
	names   []serverName
	revoked revocations
	now     func() time.Time
}

func (v *foreignVerifier) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("server shows no certificate")
	}
	leaf, now := state.PeerCertificates[0], v.now()
	intermediates := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		intermediates.AddCert(cert)
	}
	// A certificate without any extended key usage passes here, as RFC 5280 has it: unlike a workload's it is not ours.
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: v.roots.pool, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{serverUsage},
	})
	if err != nil {
		return fmt.Errorf("server's certificate: %w", err)
	}
	if err := matchAny(v.names, leaf); err != nil {
		return fmt.Errorf("server's certificate: %w", err)
	}
	if err := v.revoked.check(chains, now); err != nil {
		return fmt.Errorf("server's certificate: %w", err)
	}
	return nil
}
