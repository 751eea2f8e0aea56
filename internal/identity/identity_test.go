package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	accepted := []string{
		"spiffe://cluster.local/ns/shop/sa/cart",
		"spiffe://td_1.example-x/ns/a/sa/with.dots-and-1",
		"spiffe://cluster.local/ns/" + strings.Repeat("a", 63) + "/sa/" + strings.Repeat("b", 253),
	}
	for _, s := range accepted {
		id, err := Parse(s)
		if err != nil {
			t.Errorf("Parse(%q): %v", s, err)
			continue
		}
		if id.String() != s || id.URL().String() != s {
			t.Errorf("Parse(%q) writes %q, URL %q", s, id, id.URL())
		}
	}

	refused := map[string]string{
		"empty":                   "",
		"no scheme":               "cluster.local/ns/shop/sa/cart",
		"other scheme":            "https://cluster.local/ns/shop/sa/cart",
		"upper-case scheme":       "SPIFFE://cluster.local/ns/shop/sa/cart",
		"no trust domain":         "spiffe:///ns/shop/sa/cart",
		"upper-case trust domain": "spiffe://Cluster.local/ns/shop/sa/cart",
		"port":                    "spiffe://cluster.local:443/ns/shop/sa/cart",
		"user info":               "spiffe://me@cluster.local/ns/shop/sa/cart",
		"long trust domain":       "spiffe://" + strings.Repeat("a", 256) + "/ns/shop/sa/cart",
		"percent-encoded letter":  "spiffe://cluster.local/ns/shop/sa/%63art",
		"percent-encoded slash":   "spiffe://cluster.local/ns/shop%2Fsa/sa/cart",
		"dot segment":             "spiffe://cluster.local/ns/./sa/cart",
		"parent segment":          "spiffe://cluster.local/ns/shop/sa/..",
		"parent in between":       "spiffe://cluster.local/ns/x/../shop/sa/cart",
		"empty segment":           "spiffe://cluster.local/ns//sa/cart",
		"double slash":            "spiffe://cluster.local//ns/shop/sa/cart",
		"trailing slash":          "spiffe://cluster.local/ns/shop/sa/cart/",
		"query":                   "spiffe://cluster.local/ns/shop/sa/cart?x=1",
		"empty query":             "spiffe://cluster.local/ns/shop/sa/cart?",
		"fragment":                "spiffe://cluster.local/ns/shop/sa/cart#x",
		"empty fragment":          "spiffe://cluster.local/ns/shop/sa/cart#",
		"upper-case namespace":    "spiffe://cluster.local/ns/Shop/sa/cart",
		"underscore in namespace": "spiffe://cluster.local/ns/sh_op/sa/cart",
		"dot in namespace":        "spiffe://cluster.local/ns/sh.op/sa/cart",
		"dash first":              "spiffe://cluster.local/ns/-shop/sa/cart",
		"empty label":             "spiffe://cluster.local/ns/shop/sa/a..b",
		"long namespace":          "spiffe://cluster.local/ns/" + strings.Repeat("a", 64) + "/sa/cart",
		"long service account":    "spiffe://cluster.local/ns/shop/sa/" + strings.Repeat("a", 254),
		"other path":              "spiffe://cluster.local/workload/cart",
		"swapped":                 "spiffe://cluster.local/sa/cart/ns/shop",
		"too short":               "spiffe://cluster.local/ns/shop",
		"too long":                "spiffe://cluster.local/ns/shop/sa/cart/pod/x",
		"trust domain only":       "spiffe://cluster.local",
		"NUL":                     "spiffe://cluster.local/ns/shop/sa/cart\x00",
		"space":                   " spiffe://cluster.local/ns/shop/sa/cart",
		"not UTF-8":               "spiffe://cluster.local/ns/shop/sa/\xff",
		"homograph":               "spiffe://cluster.local/ns/shop/sa/cаrt",
	}
	for name, s := range refused {
		if id, err := Parse(s); err == nil {
			t.Errorf("%s: Parse(%q) = %v, want an error", name, s, id)
		}
	}
}

func TestParseTrustDomain(t *testing.T) {
	for _, s := range []string{"cluster.local", "a", "td_1"} {
		if td, err := ParseTrustDomain(s); err != nil || string(td) != s {
			t.Errorf("ParseTrustDomain(%q) = %q, %v", s, td, err)
		}
	}
	for _, s := range []string{"", "Cluster.local", "spiffe://cluster.local", "cluster.local:1", "cluster.local/x", "a b", strings.Repeat("a", 256)} {
		if td, err := ParseTrustDomain(s); err == nil {
			t.Errorf("ParseTrustDomain(%q) = %q, want an error", s, td)
		}
	}
}

func TestNewRefusesWhatParseRefuses(t *testing.T) {
	for _, in := range [][3]string{{"", "a", "b"}, {"TD", "a", "b"}, {"td", "", "b"}, {"td", "a/b", "c"}, {"td", "a", ""}, {"td", "a", "b/c"}} {
		if id, err := New(TrustDomain(in[0]), in[1], in[2]); err == nil {
			t.Errorf("New(%q) = %v, want an error", in, id)
		}
	}
}

func TestIDIsComparable(t *testing.T) {
	a, _ := New("cluster.local", "shop", "cart")
	b, _ := Parse("spiffe://cluster.local/ns/shop/sa/cart")
	if a != b || a.IsZero() || !(ID{}).IsZero() || (ID{}).String() != "" {
		t.Errorf("equality or zero value is broken: %v %v", a, b)
	}
	if got, want := a.Principal(), "cluster.local/ns/shop/sa/cart"; got != want {
		t.Errorf("Principal() = %q, want %q", got, want)
	}
}

func TestFromCertificate(t *testing.T) {
	const ours = "spiffe://cluster.local/ns/shop/sa/cart"
	uri := func(s string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagURI, Bytes: []byte(s)}
	}
	dns := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("cart.shop.svc")}

	tests := map[string]struct {
		names  []asn1.RawValue
		accept bool
	}{
		"one URI":                  {[]asn1.RawValue{uri(ours)}, true},
		"one URI beside a DNS":     {[]asn1.RawValue{dns, uri(ours)}, true},
		"none":                     {nil, false},
		"DNS only":                 {[]asn1.RawValue{dns}, false},
		"two URIs":                 {[]asn1.RawValue{uri(ours), uri("spiffe://cluster.local/ns/shop/sa/other")}, false},
		"the same URI twice":       {[]asn1.RawValue{uri(ours), uri(ours)}, false},
		"ours and a foreign URI":   {[]asn1.RawValue{uri("https://example.org"), uri(ours)}, false},
		"upper-case scheme":        {[]asn1.RawValue{uri("SPIFFE://cluster.local/ns/shop/sa/cart")}, false},
		"empty fragment":           {[]asn1.RawValue{uri(ours + "#")}, false},
		"ID in a DNS name":         {[]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(ours)}}, false},
		"NUL after the ID":         {[]asn1.RawValue{uri(ours + "\x00")}, false},
		"ID in an application tag": {[]asn1.RawValue{{Class: asn1.ClassApplication, Tag: tagURI, Bytes: []byte(ours)}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			value, err := asn1.Marshal(test.names)
			if err != nil {
				t.Fatal(err)
			}
			cert := &x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: value}}}
			id, err := FromCertificate(cert)
			if (err == nil) != test.accept {
				t.Fatalf("FromCertificate = %v, %v; accept should be %v", id, err, test.accept)
			}
			if test.accept && id.String() != ours {
				t.Errorf("got %s, want %s", id, ours)
			}
		})
	}

	garbled := &x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: []byte{0x30, 0x82}}}}
	if id, err := FromCertificate(garbled); err == nil {
		t.Errorf("a garbled extension gives %v", id)
	}
}

// FuzzParse holds Parse to two promises: whatever it accepts, String writes back byte for byte, and the parts make the
// same ID again.
func FuzzParse(f *testing.F) {
	f.Add("spiffe://cluster.local/ns/shop/sa/cart")
	f.Add("spiffe://cluster.local/ns/shop/sa/%63art")
	f.Add("spiffe://cluster.local/ns/../sa/cart")
	f.Add("SPIFFE://cluster.local/ns/shop/sa/cart#")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			if !id.IsZero() {
				t.Fatalf("an error and an ID: %v", id)
			}
			return
		}
		if id.String() != s || id.URL().String() != s {
			t.Fatalf("Parse(%q).String() = %q, URL %q", s, id.String(), id.URL())
		}
		again, err := New(id.TrustDomain(), id.Namespace(), id.ServiceAccount())
		if err != nil || again != id {
			t.Fatalf("New from the parts of %q = %v, %v", s, again, err)
		}
	})
}
