package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxPEM bounds every PEM input, in bytes. A Secret holds at most 1 MiB.
const maxPEM = 1 << 20

// Types of PEM blocks.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
	blockECKey       = "EC PRIVATE KEY"
	blockRSAKey      = "RSA PRIVATE KEY"
)

// Files are the PEM contents of tls.crt, tls.key and ca.crt.
type Files struct {
	Cert []byte // the certificate and its intermediates
	Key  []byte // PKCS#8
	CA   []byte // the roots to trust
}

// EncodeCertificates writes certificates in their order.
func EncodeCertificates(certs ...*x509.Certificate) []byte {
	size := 0
	for _, cert := range certs {
		size += len(cert.Raw)*3/2 + 64 // base64 with its line breaks, and the two lines around it
	}
	var out bytes.Buffer
	out.Grow(size)
	for _, cert := range certs {
		// Writing to a buffer cannot fail.
		_ = pem.Encode(&out, &pem.Block{Type: blockCertificate, Bytes: cert.Raw})
	}
	return out.Bytes()
}

// EncodeKey writes a key as PKCS#8.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// ParseCertificates reads one or more certificates. Any other PEM block is an error: a key that was pasted into a
// certificate file should be noticed, not skipped.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxPEM {
		return nil, tooLong(data)
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != blockCertificate {
			return nil, fmt.Errorf("PEM block %q where a certificate is wanted", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no PEM certificate")
	}
	return certs, nil
}

// ParseKey reads one private key: PKCS#8, or the older forms that a CA key brought by its owner may have.
func ParseKey(data []byte) (crypto.Signer, error) {
	if len(data) > maxPEM {
		return nil, tooLong(data)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM private key")
	}
	var key any
	var err error
	switch block.Type {
	case blockKey:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case blockECKey:
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case blockRSAKey:
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block %q where a private key is wanted", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private key of type %T cannot sign", key)
	}
	return signer, nil
}

func tooLong(data []byte) error {
	return fmt.Errorf("PEM of %d bytes: at most %d are allowed", len(data), maxPEM)
}
