package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// oidSubjectAltName is id-ce-subjectAltName (RFC 5280, section 4.2.1.6).
var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// tagURI is the context-specific tag of uniformResourceIdentifier in a GeneralName.
const tagURI = 6

// FromCertificate is the identity that a certificate claims: it must have exactly one URI SAN, and that must be an ID of
// ours. Who signed the certificate is not looked at.
//
// The SAN is read from the extension's own bytes, not from Certificate.URIs: net/url lower-cases the scheme and drops an
// empty fragment, so two different names would come out as one.
func FromCertificate(cert *x509.Certificate) (ID, error) {
	uris, err := URINames(cert)
	if err != nil {
		return ID{}, err
	}
	if len(uris) != 1 {
		return ID{}, fmt.Errorf("certificate has %d URI SANs; an identity has exactly one", len(uris))
	}
	return Parse(uris[0])
}

// FromRequest is the identity that a certificate request asks for: it must have exactly one SAN of any type, and that must
// be the URI of an ID of ours.
func FromRequest(request *x509.CertificateRequest) (ID, error) {
	names, err := sans(request.Extensions)
	if err != nil {
		return ID{}, err
	}
	if len(names) != 1 {
		return ID{}, fmt.Errorf("request has %d SANs; an identity is asked for by exactly one", len(names))
	}
	if !isURI(names[0]) {
		return ID{}, errors.New("request has a SAN that is not a URI")
	}
	return Parse(string(names[0].Bytes))
}

// URINames are the URI SANs of a certificate, byte for byte as they stand in it: Certificate.URIs has them normalised.
func URINames(cert *x509.Certificate) ([]string, error) {
	names, err := sans(cert.Extensions)
	if err != nil {
		return nil, err
	}
	var uris []string
	for _, name := range names {
		if isURI(name) {
			uris = append(uris, string(name.Bytes))
		}
	}
	return uris, nil
}

func isURI(name asn1.RawValue) bool {
	return name.Class == asn1.ClassContextSpecific && name.Tag == tagURI
}

// sans are the names of all subject alternative name extensions.
func sans(extensions []pkix.Extension) ([]asn1.RawValue, error) {
	var all []asn1.RawValue
	for _, extension := range extensions {
		if !extension.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		rest, err := asn1.Unmarshal(extension.Value, &names)
		if err != nil {
			return nil, fmt.Errorf("subject alternative names: %w", err)
		}
		if len(rest) != 0 {
			return nil, errors.New("subject alternative names: trailing data")
		}
		all = append(all, names...)
	}
	return all, nil
}
