package plan

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// The cluster outlives neither.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
)

// authority signs certificates of the cluster.
type authority struct {
	certificate *x509.Certificate
	files       pair
	signer      *ecdsa.PrivateKey
}

// pair is a certificate and its key, PEM.
type pair struct{ crt, key []byte }

// loadAuthority reads name.crt and name.key from the folder. The first time it makes them; an interrupted first time counts
// for nothing.
func loadAuthority(folder, name string) (*authority, error) {
	crtFile, keyFile := filepath.Join(folder, crt(name)), filepath.Join(folder, key(name))
	crtPEM, err := os.ReadFile(crtFile)
	if errors.Is(err, fs.ErrNotExist) {
		a, err := newAuthority(name)
		if err != nil {
			return nil, err
		}
		// The certificate last: where it is, the key is.
		return a, errors.Join(WriteFile(keyFile, a.files.key, 0o600), WriteFile(crtFile, a.files.crt, 0o644))
	}
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return parseAuthority(pair{crt: crtPEM, key: keyPEM})
}

func newAuthority(name string) (*authority, error) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(authorityLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:     true,
	}
	files, err := sign(template, template, signer, signer)
	if err != nil {
		return nil, err
	}
	return parseAuthority(files)
}

func parseAuthority(files pair) (*authority, error) {
	crtBlock, _ := pem.Decode(files.crt)
	keyBlock, _ := pem.Decode(files.key)
	if crtBlock == nil || keyBlock == nil {
		return nil, errors.New("a CA of the cluster is damaged; make cluster-down removes it")
	}
	certificate, err := x509.ParseCertificate(crtBlock.Bytes)
	if err != nil {
		return nil, err
	}
	signer, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	return &authority{certificate: certificate, files: files, signer: signer}, err
}

// issue signs a certificate with a key of its own.
func (a *authority) issue(template *x509.Certificate) (pair, error) {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	template.NotAfter = time.Now().Add(leafLifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	files, err := sign(template, a.certificate, leafKey, a.signer)
	if err != nil {
		return pair{}, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return files, nil
}

func sign(template, parent *x509.Certificate, own, signer *ecdsa.PrivateKey) (pair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return pair{}, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
	if err != nil {
		return pair{}, err
	}
	keyDER, err := x509.MarshalECPrivateKey(own)
	return pair{
		crt: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, err
}

// WriteFile writes a file whole or not at all.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, data, mode); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
