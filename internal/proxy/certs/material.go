package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// material is what a choice of TLS is made of, PEM. What the mode does not use is nil.
type material struct {
	ca, crl, certificate, key []byte
}

func (m material) equal(other material) bool {
	return bytes.Equal(m.ca, other.ca) && bytes.Equal(m.crl, other.crl) &&
		bytes.Equal(m.certificate, other.certificate) && bytes.Equal(m.key, other.key)
}

// withdrawn is the word of the control API that a Secret may not or cannot be used any more. Unlike a file that is missing
// for a moment, it ends the use of what was good before.
type withdrawn string

func (w withdrawn) Error() string { return string(w) }

// errNoOwnCertificate: a server that lets in whoever shows nothing must not be taken for one that has checked us.
var errNoOwnCertificate = errors.New("MUTUAL needs a client certificate and its key")

// field of a rule that names a file.
type field struct {
	name, path string
	into       *[]byte
}

// gather reads the present material of a choice.
func (c *Clients) gather(ctx context.Context, t *proxyconfig.ClientTLS) (material, error) {
	if t.CredentialName != "" {
		return c.fromSecret(ctx, t)
	}
	var m material
	fields := []field{{"caCertificates", t.CACertificates, &m.ca}, {"caCrl", t.CACRL, &m.crl}}
	if t.Mode == proxyconfig.ClientMutual {
		if t.ClientCertificate == "" || t.PrivateKey == "" {
			return m, fmt.Errorf("%w: set clientCertificate and privateKey", errNoOwnCertificate)
		}
		fields = append(fields, field{"clientCertificate", t.ClientCertificate, &m.certificate}, field{"privateKey", t.PrivateKey, &m.key})
	}
	for _, f := range fields {
		if f.path == "" {
			continue
		}
		data, err := c.files.read(f.path)
		if err != nil {
			return m, fmt.Errorf("%s %q: %w", f.name, f.path, err)
		}
		*f.into = data
	}
	return m, nil
}

func (c *Clients) fromSecret(ctx context.Context, t *proxyconfig.ClientTLS) (material, error) {
	if c.credentials == nil {
		return material{}, fmt.Errorf("credentialName %q: there is no control API to ask: use files", t.CredentialName)
	}
	secret, err := c.credentials.Credential(ctx, t.CredentialName)
	if err != nil {
		return material{}, fmt.Errorf("credentialName %q: %w", t.CredentialName, err)
	}
	if secret.Problem != "" {
		return material{}, fmt.Errorf("credentialName %q: %w", t.CredentialName, withdrawn(secret.Problem))
	}
	m := material{ca: secret.CACertificates, crl: secret.CACRL}
	if t.InsecureSkipVerify {
		// The rule exempts the server; that the Secret could verify it is no contradiction within the rule.
		m.ca, m.crl = nil, nil
	}
	if t.Mode == proxyconfig.ClientMutual {
		m.certificate, m.key = secret.Certificate, secret.PrivateKey
		if len(m.certificate) == 0 || len(m.key) == 0 {
			return m, fmt.Errorf("credentialName %q: %w: put both into the Secret", t.CredentialName, errNoOwnCertificate)
		}
	}
	return m, nil
}
