package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

// Material is what one end of a connection needs: its own certificate with key and intermediates, and whom it trusts.
// It is not changed after it was made.
type Material struct {
	Certificate *tls.Certificate
	Bundle      *Bundle
}

// OwnRoots are those of the bundle to which the own certificate leads: not a former CA's, nor those of others that are trusted
// besides. An error: it leads to none.
func (m *Material) OwnRoots(now time.Time) (*Bundle, error) {
	chain, err := m.Chain()
	if err != nil {
		return nil, err
	}
	var own []*x509.Certificate
	for _, root := range m.Bundle.roots {
		alone, err := NewBundle(root)
		if err != nil {
			return nil, err
		}
		if _, err := VerifyPeer(chain, alone, serverUsage, now); err == nil {
			own = append(own, root)
		}
	}
	return NewBundle(own...)
}

// Chain is the own certificate, leaf first.
func (m *Material) Chain() ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, 0, len(m.Certificate.Certificate))
	for _, raw := range m.Certificate.Certificate {
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("own certificate: %w", err)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// Source gives the current material. It is asked during handshakes, from many goroutines, so it must be quick and safe
// for concurrent use. An error fails the handshake.
type Source interface {
	Material() (*Material, error)
}

// ServerConfig is the configuration of a server that requires a client certificate and accepts what the verifier accepts.
// Set NextProtos on the result where ALPN is wanted.
func ServerConfig(source Source, verifier Verifier) *tls.Config {
	config := base()
	// Any certificate at all: it is judged in VerifyConnection, against the bundle of that moment. RequireAndVerify
	// would use ClientCAs, and the system's roots where that is nil.
	config.ClientAuth = tls.RequireAnyClientCert
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return ownCertificate(source) }
	config.VerifyConnection = func(state tls.ConnectionState) error {
		return verifier.verify(source, state, clientUsage)
	}
	return config
}

// ProxyServerConfig is ServerConfig for a proxy's inbound side. It agrees on the mesh's ALPN name with a client that offers
// it, and takes no notice of what any other client offers: the certificate decides, not the name, while NextProtos on one
// configuration for all would refuse those clients.
func ProxyServerConfig(source Source, verifier Verifier) *tls.Config {
	mesh := ServerConfig(source, verifier)
	mesh.NextProtos = []string{naming.ALPN}
	config := ServerConfig(source, verifier)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, naming.ALPN) {
			return mesh, nil
		}
		return config, nil
	}
	return config
}

// ClientConfig is the configuration of a client that shows its certificate and accepts a server that the verifier accepts.
// Set ServerName and NextProtos on the result where SNI and ALPN are wanted; neither decides whom the client accepts.
func ClientConfig(source Source, verifier Verifier) *tls.Config {
	config := base()
	// Turns off only the check of host names against the system's roots; VerifyConnection checks chain and identity.
	config.InsecureSkipVerify = true
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return ownCertificate(source)
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		return verifier.verify(source, state, serverUsage)
	}
	return config
}

// WebhookServer turns a configuration into that of an admission webhook: the API server is shown the certificate of the
// moment and proves nothing itself. It is a function on a configuration because that is what the webhook server takes.
func WebhookServer(certificate func() (*tls.Certificate, error)) func(*tls.Config) {
	return func(config *tls.Config) {
		config.MinVersion = tls.VersionTLS13
		config.SessionTicketsDisabled = true
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := certificate()
			if err == nil && cert == nil {
				err = errors.New("no certificate")
			}
			if err != nil {
				return nil, fmt.Errorf("webhook serving certificate: %w", err)
			}
			return cert, nil
		}
	}
}

// base holds what every mesh configuration has. A resumed session would carry on with the trust of the moment at which it
// began, so there are neither tickets nor a client's session cache.
func base() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		ClientSessionCache:     nil,
		Renegotiation:          tls.RenegotiateNever,
		// Records of full size from the first byte on: small ones at the beginning help browsers, and cost a proxy CPU.
		DynamicRecordSizingDisabled: true,
	}
}

func ownCertificate(source Source) (*tls.Certificate, error) {
	material, err := source.Material()
	if err != nil {
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	if material == nil || material.Certificate == nil {
		return nil, errors.New("own certificate: none")
	}
	return material.Certificate, nil
}
