package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// brought makes a CA from a template, signed by a parent or by itself.
func brought(t *testing.T, now time.Time, parent *CA, edit func(*x509.Certificate)) *CA {
	t.Helper()
	key, err := NewKey(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Brought CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1,
	}
	if edit != nil {
		edit(template)
	}
	signer, signingKey := template, key
	if parent != nil {
		signer, signingKey = parent.Signer, parent.key
	}
	cert, err := create(template, signer, key.Public(), signingKey)
	if err != nil {
		t.Fatal(err)
	}
	ca := &CA{Authority: Authority{Signer: cert, Roots: []*x509.Certificate{cert}}, key: key}
	if parent != nil {
		ca.Intermediates = append([]*x509.Certificate{cert}, parent.Intermediates...)
		ca.Roots = parent.Roots
	}
	return ca
}

func TestServes(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	const domain = identity.TrustDomain("shop.example")
	spiffe := func(s string) []*url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return []*url.URL{u}
	}
	tests := map[string]struct {
		root, intermediate func(*x509.Certificate)
		problem            string
	}{
		"a root":                     {},
		"an intermediate":            {intermediate: func(*x509.Certificate) {}},
		"not a CA":                   {root: func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = false, 0 }, problem: "not a CA"},
		"no keyCertSign":             {root: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, problem: "keyCertSign"},
		"expired":                    {root: func(c *x509.Certificate) { c.NotAfter = now }, problem: "expired"},
		"not valid yet":              {root: func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, problem: "not valid before"},
		"path too long":              {root: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }, intermediate: func(*x509.Certificate) {}, problem: "too many intermediates"},
		"path just long enough":      {root: func(c *x509.Certificate) { c.MaxPathLen = 1 }, intermediate: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }},
		"for servers only":           {root: func(*x509.Certificate) {}, intermediate: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, problem: "incompatible key usage"},
		"the trust domain excluded":  {root: func(c *x509.Certificate) { c.ExcludedURIDomains = []string{"shop.example"} }, problem: "excluded"},
		"other domains permitted":    {root: func(c *x509.Certificate) { c.PermittedURIDomains = []string{"other.example"} }, problem: "not permitted"},
		"the trust domain permitted": {root: func(c *x509.Certificate) { c.PermittedURIDomains = []string{"shop.example"} }},
		"of another trust domain":    {root: func(c *x509.Certificate) { c.URIs = spiffe("spiffe://other.example") }, problem: "trust domain"},
		"of this trust domain":       {root: func(c *x509.Certificate) { c.URIs = spiffe("spiffe://shop.example") }},
	}
	for name, test := range tests {
		ca := brought(t, now, nil, test.root)
		if test.intermediate != nil {
			ca = brought(t, now, ca, test.intermediate)
		}
		err := ca.Serves(domain, now)
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%s: %v, want %q", name, err, test.problem)
		}
	}
}

func TestParseRoots(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	root := brought(t, now, nil, nil)
	one := EncodeCertificates(root.Signer)
	tests := map[string]struct {
		pem     string
		want    int
		problem string
	}{
		"none":          {"\n", 0, ""},
		"one":           {string(one), 1, ""},
		"two":           {string(one) + string(one), 2, ""},
		"too many":      {strings.Repeat(string(one), maxRoots+1), 0, "at most"},
		"nonsense":      {"nonsense", 0, "no PEM certificate"},
		"a leaf":        {string(EncodeCertificates(brought(t, now, nil, func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = false, 0 }).Signer)), 0, "not a CA"},
		"an expired CA": {string(EncodeCertificates(brought(t, now, nil, func(c *x509.Certificate) { c.NotAfter = now }).Signer)), 0, "expired"},
	}
	for name, test := range tests {
		got, err := ParseRoots([]byte(test.pem), now)
		if len(got) != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: %d roots, %v; want %d, %q", name, len(got), err, test.want, test.problem)
		}
	}
}

// TestDecideTrust walks from one CA to the next.
func TestDecideTrust(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	a, b := brought(t, now, nil, nil), brought(t, now, nil, nil) // of the same name
	id, err := identity.New("shop.example", "shop", "cart")
	if err != nil {
		t.Fatal(err)
	}
	holder := func(ca *CA, lifetime time.Duration, roots ...*x509.Certificate) Holder {
		key, err := NewKey(ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ca.SignWorkload(WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: lifetime}, now.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return Holder{Cert: EncodeCertificates(append([]*x509.Certificate{cert}, ca.Intermediates...)...), CA: EncodeCertificates(roots...)}
	}
	below := brought(t, now, b, nil)
	rootA, rootB := a.Signer, b.Signer
	tests := map[string]struct {
		next        *CA
		additional  []*x509.Certificate
		holders     []Holder
		roots       []*x509.Certificate
		former      int
		untold      int
		established bool
	}{
		"at the beginning":                  {next: b, roots: []*x509.Certificate{rootB}, established: true},
		"nothing changes":                   {next: a, holders: []Holder{holder(a, time.Hour, rootA)}, roots: []*x509.Certificate{rootA}, established: true},
		"the next CA is new":                {next: b, holders: []Holder{holder(a, time.Hour, rootA), holder(a, time.Hour, rootA, rootB)}, roots: []*x509.Certificate{rootB, rootA}, former: 1, untold: 1},
		"everybody trusts it":               {next: b, holders: []Holder{holder(a, time.Hour, rootA, rootB)}, roots: []*x509.Certificate{rootB, rootA}, former: 1},
		"it has begun to sign":              {next: b, holders: []Holder{holder(a, time.Hour, rootB, rootA), holder(b, time.Hour, rootB, rootA)}, roots: []*x509.Certificate{rootB, rootA}, former: 1, established: true},
		"nothing leads to the old":          {next: b, holders: []Holder{holder(b, time.Hour, rootB, rootA)}, roots: []*x509.Certificate{rootB}, established: true},
		"what leads to the old has expired": {next: b, holders: []Holder{holder(a, 30*time.Second, rootA)}, roots: []*x509.Certificate{rootB}, established: true},
		"an intermediate of the same root":  {next: below, holders: []Holder{holder(b, time.Hour, rootB)}, roots: []*x509.Certificate{rootB}, established: true},
		"additional roots":                  {next: a, additional: []*x509.Certificate{rootB, rootA}, holders: []Holder{holder(a, time.Hour, rootA)}, roots: []*x509.Certificate{rootA, rootB}, established: true},
		"a root that was no longer wanted":  {next: a, holders: []Holder{holder(a, time.Hour, rootA, rootB)}, roots: []*x509.Certificate{rootA}, established: true},
		"a holder without roots":            {next: b, holders: []Holder{holder(a, time.Hour)}, roots: []*x509.Certificate{rootB}, untold: 1},
		"an unreadable holder":              {next: b, holders: []Holder{{Cert: []byte("nonsense")}}, roots: []*x509.Certificate{rootB}, established: true},
	}
	for name, test := range tests {
		got := DecideTrust(TrustFacts{"shop.example", test.next.Authority, test.additional, test.holders}, now)
		if !sameChain(got.Roots, test.roots) || len(got.Former) != test.former || got.Untold != test.untold || got.Established != test.established {
			t.Errorf("%s: %d roots, %d former, %d untold, established %v", name, len(got.Roots), len(got.Former), got.Untold, got.Established)
		}
	}
}
