package policy

import (
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

// clientTLS checks TLS settings; selected says that the rule chooses its clients with a workloadSelector.
func (c *checker) clientTLS(at *field.Path, t *v1alpha1.ClientTLSSettings, selected bool) {
	if t == nil {
		return
	}
	switch t.Mode {
	case "":
		c.errorf(at.Child("mode"), ReasonTLSModeRequired,
			"tls needs a mode: Istio reads a tls without one as DISABLE, which is plaintext; write ISTIO_MUTUAL, MUTUAL, SIMPLE or, if plaintext is meant, DISABLE")
	case v1alpha1.ClientTLSDisable:
		c.unusedTLSFields(at, t, "DISABLE sends plaintext", true)
	case v1alpha1.ClientTLSIstioMutual:
		c.istioMutual(at, t)
	case v1alpha1.ClientTLSSimple, v1alpha1.ClientTLSMutual:
		c.ownTLS(at, t, selected)
	default:
		c.errorf(at.Child("mode"), ReasonInvalid, "unknown mode %q: write ISTIO_MUTUAL, MUTUAL, SIMPLE or DISABLE", t.Mode)
	}
	for i, name := range t.SubjectAltNames {
		if name == "" {
			c.errorf(at.Child("subjectAltNames").Index(i), ReasonInvalid, "a name must not be empty: remove it")
		}
	}
}

// unusedTLSFields warns of fields that the mode does not read; names says that it does not read names either.
func (c *checker) unusedTLSFields(at *field.Path, t *v1alpha1.ClientTLSSettings, why string, names bool) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"clientCertificate", t.ClientCertificate != ""},
		{"privateKey", t.PrivateKey != ""},
		{"caCertificates", t.CACertificates != ""},
		{"caCrl", t.CACRL != ""},
		{"credentialName", t.CredentialName != ""},
		{"subjectAltNames", names && len(t.SubjectAltNames) > 0},
		{"sni", names && t.SNI != ""},
		{"insecureSkipVerify", names && skipsVerification(t)},
	} {
		if f.set {
			c.warnf(at.Child(f.name), ReasonNoEffect, "%s, so the field is not used: remove it, or change the mode", why)
		}
	}
}

func skipsVerification(t *v1alpha1.ClientTLSSettings) bool {
	return t.InsecureSkipVerify != nil && *t.InsecureSkipVerify
}

func (c *checker) istioMutual(at *field.Path, t *v1alpha1.ClientTLSSettings) {
	c.unusedTLSFields(at, t, "ISTIO_MUTUAL uses the workload's own certificate and the mesh's roots", false)
	if skipsVerification(t) {
		c.errorf(at.Child("insecureSkipVerify"), ReasonUnsupported,
			"insecureSkipVerify is not supported with ISTIO_MUTUAL, where both ends always prove their identity: remove it, or list the identities you expect in subjectAltNames")
	}
	for i, name := range t.SubjectAltNames {
		if name != "" && !strings.HasPrefix(name, "spiffe://") {
			c.warnf(at.Child("subjectAltNames").Index(i), ReasonNeverMatches,
				"%q: with ISTIO_MUTUAL the server proves a SPIFFE ID such as spiffe://%s/ns/prod/sa/reviews, and has no other name", name, c.settings.TrustDomain)
		}
	}
}

// ownTLS checks SIMPLE and MUTUAL, whose trust material the user brings. None is a warning and no error: it is what the model
// takes to mean the system's CAs, and a workload that does TLS itself may take them still.
func (c *checker) ownTLS(at *field.Path, t *v1alpha1.ClientTLSSettings, selected bool) {
	mutual := t.Mode == v1alpha1.ClientTLSMutual
	c.credentialName(at, t, selected)
	if mutual && t.CredentialName == "" {
		c.needFile(at.Child("clientCertificate"), t.ClientCertificate)
		c.needFile(at.Child("privateKey"), t.PrivateKey)
	}
	if !mutual && t.CredentialName == "" {
		for _, f := range []struct{ name, value string }{{"clientCertificate", t.ClientCertificate}, {"privateKey", t.PrivateKey}} {
			if f.value != "" {
				c.warnf(at.Child(f.name), ReasonNoEffect, "SIMPLE sends no client certificate, so the field is not used: remove it, or write MUTUAL")
			}
		}
	}
	for _, f := range tlsFiles(t) {
		c.file(at.Child(f.name), f.value)
	}
	switch {
	case skipsVerification(t):
		c.verificationOff(at, t)
	case t.CACertificates == "" && t.CredentialName == "":
		c.warnf(at.Child("caCertificates"), ReasonNoTrustMaterial,
			"a sidecar's proxy has no CA to verify the server by, never takes the system's, and will refuse the connections: name a file with the server's CA in caCertificates")
	}
}

func (c *checker) needFile(at *field.Path, value string) {
	if value == "" {
		c.errorf(at, ReasonRequired, "MUTUAL needs clientCertificate and privateKey, or credentialName; with the workload's own certificate the mode is ISTIO_MUTUAL")
	}
}

// verificationOff refuses settings that ask for verification and turn it off in one breath.
func (c *checker) verificationOff(at *field.Path, t *v1alpha1.ClientTLSSettings) {
	const message = "insecureSkipVerify turns off what this field asks for: remove one of them"
	contradicted := len(c.findings)
	if t.CACertificates != "" {
		c.errorf(at.Child("caCertificates"), ReasonExclusive, message)
	}
	if t.CACRL != "" {
		c.errorf(at.Child("caCrl"), ReasonExclusive, message)
	}
	if t.CredentialName != "" && t.Mode == v1alpha1.ClientTLSSimple {
		c.errorf(at.Child("credentialName"), ReasonExclusive, message)
	}
	if len(t.SubjectAltNames) > 0 {
		c.errorf(at.Child("subjectAltNames"), ReasonExclusive, message)
	}
	if len(c.findings) == contradicted {
		c.warnf(at.Child("insecureSkipVerify"), ReasonVerificationOff,
			"the server is not verified: whoever answers at its address can read and change everything; name its CA in caCertificates instead")
	}
}

func (c *checker) credentialName(at *field.Path, t *v1alpha1.ClientTLSSettings, selected bool) {
	if t.CredentialName == "" {
		return
	}
	for _, f := range tlsFiles(t) {
		if f.value != "" {
			c.errorf(at.Child(f.name), ReasonExclusive, "credentialName takes the place of the files: use the Secret or the files, not both")
		}
	}
	at = at.Child("credentialName")
	if len(validation.IsDNS1123Subdomain(t.CredentialName)) > 0 {
		c.errorf(at, ReasonInvalid, "%q is not the name of a Secret: it is read in the client's own namespace, without kind or namespace in front", t.CredentialName)
	}
	if !selected {
		c.errorf(at, ReasonSelectorRequired,
			"credentialName needs a workloadSelector with matchLabels: the Secret is read in the client's namespace, so say which of this namespace's pods use it")
	}
}

type tlsFile struct{ name, value string }

func tlsFiles(t *v1alpha1.ClientTLSSettings) []tlsFile {
	return []tlsFile{
		{"clientCertificate", t.ClientCertificate},
		{"privateKey", t.PrivateKey},
		{"caCertificates", t.CACertificates},
		{"caCrl", t.CACRL},
	}
}

// file checks a path. A path elsewhere is a warning and no error, because a workload that does TLS itself reads its own
// files; the proxy of a sidecar refuses the connection. Warifu's own folder is an error in any case: it holds the keys of
// the workload, which ISTIO_MUTUAL uses and nothing else may be made to send.
func (c *checker) file(at *field.Path, value string) {
	switch {
	case value == "":
	case !path.IsAbs(value) || path.Clean(value) != value:
		c.errorf(at, ReasonInvalid, "%q: write an absolute path without '.', '..' and empty segments", value)
	case strings.HasPrefix(value, naming.VolumesDir+"/"):
		if !strings.Contains(strings.TrimPrefix(value, naming.VolumesDir+"/"), "/") {
			c.errorf(at, ReasonInvalid, "%q is a folder: write %s/<volume>/<file>", value, naming.VolumesDir)
		}
	case value == naming.SecretsDir || strings.HasPrefix(value, naming.SecretsDir+"/"):
		c.errorf(at, ReasonInvalid, "%q belongs to Warifu: for the workload's own certificate write mode ISTIO_MUTUAL", value)
	default:
		c.warnf(at, ReasonFileOutsideVolumes,
			"a sidecar's proxy has no file %q and will refuse the connections: list the pod's volume in its annotation %s and write %s/<volume>/<file>", value, naming.AnnotationProxyVolumes, naming.VolumesDir)
	}
}
