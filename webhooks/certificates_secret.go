package webhooks

import (
	"crypto/tls"
	"crypto/x509"
	"slices"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// Keys of the Secret besides tls.crt, tls.key (what is served) and ca.crt (what is trusted).
const (
	keySignerCert = "signer.crt"
	keySignerKey  = "signer.key"
	keyNextCert   = "next.crt"
	keyNextKey    = "next.key"
)

// parseMaterial reads a Secret. What cannot be read is left out: it is going to be replaced.
func parseMaterial(secret *corev1.Secret) material {
	m := material{
		signer:  parseCA(secret.Data[keySignerCert], secret.Data[keySignerKey]),
		next:    parseCA(secret.Data[keyNextCert], secret.Data[keyNextKey]),
		serving: pki.Files{Cert: secret.Data[naming.FileCert], Key: secret.Data[naming.FileKey]},
	}
	if pair, err := tls.X509KeyPair(m.serving.Cert, m.serving.Key); err == nil {
		m.leaf = pair.Leaf
	}
	known := m.bundle()
	for _, cert := range parseBundle(secret.Data[naming.FileCA]) {
		if !slices.ContainsFunc(known, cert.Equal) {
			m.former = append(m.former, cert)
		}
	}
	return m
}

func parseCA(cert, key []byte) *pki.CA {
	ca, err := pki.ParseCA(pki.Files{Cert: cert, Key: key, CA: cert})
	if err != nil {
		return nil
	}
	return ca
}

// parseBundle reads certificates; nil when there are none or they are not readable.
func parseBundle(text []byte) []*x509.Certificate {
	certs, err := pki.ParseCertificates(text)
	if err != nil {
		return nil
	}
	return certs
}

// secretOf is the Secret as it should be. It is labelled, so that the caches hold it.
func secretOf(namespace string, m material) (*corev1ac.SecretApplyConfiguration, error) {
	data := map[string][]byte{
		naming.FileCert: m.serving.Cert,
		naming.FileKey:  m.serving.Key,
		naming.FileCA:   pki.EncodeCertificates(m.bundle()...),
	}
	for _, ca := range []struct {
		ca        *pki.CA
		cert, key string
	}{{m.signer, keySignerCert, keySignerKey}, {m.next, keyNextCert, keyNextKey}} {
		if ca.ca == nil {
			continue
		}
		files, err := ca.ca.Files()
		if err != nil {
			return nil, err
		}
		data[ca.cert], data[ca.key] = files.Cert, files.Key
	}
	return corev1ac.Secret(naming.SecretWebhookCA, namespace).
		WithLabels(map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindWebhook}).
		WithType(corev1.SecretTypeTLS).
		WithData(data), nil
}

// ours tells whether we made the Secret.
func ours(secret *corev1.Secret) bool {
	return secret.Labels[naming.LabelManagedBy] == naming.ManagedBy && secret.Labels[naming.LabelKind] == naming.KindWebhook
}
