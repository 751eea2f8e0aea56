package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/proxyconfig"
)

func must(t testing.TB, c *Clients, choice proxyconfig.ClientTLS) *tls.Config {
	t.Helper()
	config, err := c.ClientTLS(t.Context(), choice)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestSimpleFollowsItsFile(t *testing.T) {
	v, first, second := newVolume(t), serving(t), serving(t)
	v.put(t, "ca.crt", first.CA)
	c := NewClients(Options{Volumes: v.folder})
	config := must(t, c, simple())
	if err := accepts(t, config, first, tls.NoClientCert); err != nil {
		t.Error(err)
	}
	if accepts(t, config, second, tls.NoClientCert) == nil {
		t.Error("another CA's server is accepted")
	}
	if must(t, c, simple()) != config {
		t.Error("made again though nothing has changed")
	}
	v.put(t, "ca.crt", second.CA)
	config = must(t, c, simple())
	if err := accepts(t, config, second, tls.NoClientCert); err != nil {
		t.Error(err)
	}
	if accepts(t, config, first, tls.NoClientCert) == nil {
		t.Error("a CA that was taken away is still trusted")
	}
}

func TestMutualShowsItsFiles(t *testing.T) {
	v, server, own := newVolume(t), serving(t), serving(t)
	v.put(t, "ca.crt", server.CA)
	v.put(t, "own.crt", own.Cert)
	v.put(t, "own.key", own.Key)
	choice := simple()
	choice.Mode, choice.ClientCertificate, choice.PrivateKey = proxyconfig.ClientMutual, named("own.crt"), named("own.key")
	c := NewClients(Options{Volumes: v.folder})
	if err := accepts(t, must(t, c, choice), server, tls.RequireAnyClientCert); err != nil {
		t.Error(err)
	}
	choice.Mode = proxyconfig.ClientSimple
	if accepts(t, must(t, c, choice), server, tls.RequireAnyClientCert) == nil {
		t.Error("SIMPLE shows a certificate")
	}
}

func TestRefusedAtFirstUse(t *testing.T) {
	good := serving(t)
	v := newVolume(t)
	v.put(t, "ca.crt", good.CA)
	v.put(t, "empty", nil)
	v.put(t, "text", []byte("hello"))
	change := func(change func(*proxyconfig.ClientTLS)) proxyconfig.ClientTLS {
		choice := simple()
		change(&choice)
		return choice
	}
	tests := map[string]struct {
		choice proxyconfig.ClientTLS
		want   string
	}{
		"no CA":            {change(func(t *proxyconfig.ClientTLS) { t.CACertificates = "" }), "caCertificates: nobody vouches"},
		"missing CA":       {change(func(t *proxyconfig.ClientTLS) { t.CACertificates = named("nothing") }), "warifu.dev/proxy-volumes"},
		"missing volume":   {change(func(t *proxyconfig.ClientTLS) { t.CACertificates = "/var/run/secrets/warifu.dev/volumes/x/ca" }), "warifu.dev/proxy-volumes"},
		"empty CA":         {change(func(t *proxyconfig.ClientTLS) { t.CACertificates = named("empty") }), "is empty"},
		"garbled CA":       {change(func(t *proxyconfig.ClientTLS) { t.CACertificates = named("text") }), "no certificate"},
		"missing CRL":      {change(func(t *proxyconfig.ClientTLS) { t.CACRL = named("nothing") }), "caCrl"},
		"no names":         {change(func(t *proxyconfig.ClientTLS) { t.SubjectAltNames = nil }), "subjectAltNames"},
		"MUTUAL, no files": {change(func(t *proxyconfig.ClientTLS) { t.Mode = proxyconfig.ClientMutual }), "set clientCertificate and privateKey"},
		"skip and CA":      {change(func(t *proxyconfig.ClientTLS) { t.InsecureSkipVerify, t.SubjectAltNames = true, nil }), "remove one of them"},
		"no control API":   {change(func(t *proxyconfig.ClientTLS) { t.CACertificates, t.CredentialName = "", "db" }), `credentialName "db"`},
		"mesh TLS":         {change(func(t *proxyconfig.ClientTLS) { t.Mode = proxyconfig.ClientIstioMutual }), "ISTIO_MUTUAL"},
		"plaintext":        {change(func(t *proxyconfig.ClientTLS) { t.Mode = proxyconfig.ClientDisable }), "DISABLE"},
		"no mode":          {change(func(t *proxyconfig.ClientTLS) { t.Mode = "" }), "mode"},
	}
	c := NewClients(Options{Volumes: v.folder})
	for name, test := range tests {
		config, err := c.ClientTLS(t.Context(), test.choice)
		if config != nil || err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "DestinationRule shop/db: ") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestKeepsWhatWasGood: whatever happens to the files while running, the last good material stays and the error is told once.
func TestKeepsWhatWasGood(t *testing.T) {
	good, other := serving(t), serving(t)
	breakages := map[string]func(t *testing.T, v volume){
		"missing":        func(t *testing.T, v volume) { remove(t, v.path("ca.crt")) },
		"emptied":        func(t *testing.T, v volume) { v.put(t, "ca.crt", nil) },
		"truncated":      func(t *testing.T, v volume) { truncate(t, v.path("ca.crt")) },
		"garbled":        func(t *testing.T, v volume) { v.put(t, "ca.crt", []byte("x")) },
		"key of another": func(t *testing.T, v volume) { v.put(t, "own.key", other.Key) },
		"volume gone":    func(t *testing.T, v volume) { remove(t, v.folder) },
	}
	choice := simple()
	choice.Mode, choice.ClientCertificate, choice.PrivateKey = proxyconfig.ClientMutual, named("own.crt"), named("own.key")
	for name, breakIt := range breakages {
		t.Run(name, func(t *testing.T) {
			v := newVolume(t)
			var reports []error
			c := NewClients(Options{Volumes: v.folder, Report: func(err error) { reports = append(reports, err) }})
			v.put(t, "ca.crt", good.CA)
			v.put(t, "own.crt", good.Cert)
			v.put(t, "own.key", good.Key)
			before := must(t, c, choice)
			breakIt(t, v)
			for range 3 {
				if must(t, c, choice) != before {
					t.Fatal("the good configuration is gone")
				}
			}
			if len(reports) != 1 || !strings.Contains(reports[0].Error(), "DestinationRule shop/db") {
				t.Fatalf("reports: %v", reports)
			}
			if err := os.MkdirAll(v.path(""), 0o700); err != nil {
				t.Fatal(err)
			}
			for name, data := range map[string][]byte{"ca.crt": other.CA, "own.crt": other.Cert, "own.key": other.Key} {
				v.put(t, name, data)
			}
			if must(t, c, choice) == before {
				t.Error("no recovery")
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

// secrets is what the control API has told.
type secrets struct {
	credential proxyconfig.Credential
	err        error
}

func (s *secrets) Credential(context.Context, string) (proxyconfig.Credential, error) {
	return s.credential, s.err
}

func fromSecret(mode proxyconfig.ClientMode) proxyconfig.ClientTLS {
	choice := simple()
	choice.Mode, choice.CACertificates, choice.CredentialName = mode, "", "db"
	return choice
}

func credential(own, server pki.Files) proxyconfig.Credential {
	return proxyconfig.Credential{Name: "db", Certificate: own.Cert, PrivateKey: own.Key, CACertificates: server.CA}
}

func TestSecret(t *testing.T) {
	server, own := serving(t), serving(t)
	told := &secrets{credential: credential(own, server)}
	var reports []error
	c := NewClients(Options{Credentials: told, Report: func(err error) { reports = append(reports, err) }})
	mutual := must(t, c, fromSecret(proxyconfig.ClientMutual))
	if err := accepts(t, mutual, server, tls.RequireAnyClientCert); err != nil {
		t.Error(err)
	}
	if accepts(t, must(t, c, fromSecret(proxyconfig.ClientSimple)), server, tls.RequireAnyClientCert) == nil {
		t.Error("SIMPLE shows the certificate of its Secret")
	}
	skip := fromSecret(proxyconfig.ClientMutual)
	skip.InsecureSkipVerify, skip.SubjectAltNames = true, nil
	if err := accepts(t, must(t, c, skip), own, tls.RequireAnyClientCert); err != nil {
		t.Errorf("insecureSkipVerify with a Secret: %v", err)
	}
	told.err = errors.New("control API is away")
	if must(t, c, fromSecret(proxyconfig.ClientMutual)) != mutual || len(reports) != 1 {
		t.Errorf("no answer ends the use of what was good; reports: %v", reports)
	}
	told.err, told.credential = nil, proxyconfig.Credential{Name: "db", Problem: "service account shop/cart may not get Secret db"}
	for range 2 {
		if _, err := c.ClientTLS(t.Context(), fromSecret(proxyconfig.ClientMutual)); err == nil || !strings.Contains(err.Error(), "may not get") {
			t.Errorf("a Secret that was taken away is in use: %v", err)
		}
	}
	told.err, told.credential = errors.New("control API is away"), proxyconfig.Credential{}
	if _, err := c.ClientTLS(t.Context(), fromSecret(proxyconfig.ClientMutual)); err == nil {
		t.Error("a Secret that was taken away comes back when nobody answers")
	}
}

func TestSecretLacksSomething(t *testing.T) {
	server := serving(t)
	for name, test := range map[string]struct {
		change func(*proxyconfig.Credential)
		want   string
	}{
		"CA":          {func(c *proxyconfig.Credential) { c.CACertificates = nil }, "caCertificates: nobody vouches"},
		"certificate": {func(c *proxyconfig.Credential) { c.Certificate = nil }, "put both into the Secret"},
		"key":         {func(c *proxyconfig.Credential) { c.PrivateKey = nil }, "put both into the Secret"},
	} {
		told := &secrets{credential: credential(server, server)}
		test.change(&told.credential)
		_, err := NewClients(Options{Credentials: told}).ClientTLS(t.Context(), fromSecret(proxyconfig.ClientMutual))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `credentialName "db"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeptIsBounded: rules come and go for as long as a proxy lives.
func TestKeptIsBounded(t *testing.T) {
	v, server := newVolume(t), serving(t)
	v.put(t, "ca.crt", server.CA)
	c := NewClients(Options{Volumes: v.folder})
	for n := range maxChoices + 10 {
		choice := simple()
		choice.SNI = fmt.Sprintf("host%d.example", n)
		must(t, c, choice)
	}
	if len(c.choices) > maxChoices {
		t.Errorf("%d configurations are kept", len(c.choices))
	}
}

func TestManyAtOnce(t *testing.T) {
	v, first, second := newVolume(t), serving(t), serving(t)
	v.put(t, "ca.crt", first.CA)
	c := NewClients(Options{Volumes: v.folder})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				if _, err := c.ClientTLS(t.Context(), simple()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 50 {
		v.put(t, "ca.crt", [][]byte{first.CA, second.CA}[n%2])
	}
	group.Wait()
}
