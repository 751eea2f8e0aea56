package certs

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/proxyconfig"
)

const host = "db.example"

// serving is a CA with a server's certificate of its own.
func serving(t testing.TB) pki.Files {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "test", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignServing(pki.ServingRequest{DNSNames: []string{host}, PublicKey: key.Public(), Lifetime: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pki.Files{Cert: pki.EncodeCertificates(cert), Key: keyPEM, CA: pki.EncodeCertificates(ca.Roots...)}
}

// accepts says whether a client with the configuration accepts a server with the files, over a real socket.
func accepts(t testing.TB, config *tls.Config, server pki.Files, auth tls.ClientAuthType) error {
	t.Helper()
	certificate, err := tls.X509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			served <- err
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		served <- tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: auth}).Handshake()
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	if err := tls.Client(raw, config).Handshake(); err != nil {
		_ = raw.Close()
		_ = <-served
		return err
	}
	return <-served
}

// volume writes files into a volume of the pod, and returns where a rule has to point for them.
type volume struct{ folder string }

func newVolume(t testing.TB) volume {
	t.Helper()
	v := volume{filepath.Join(t.TempDir(), "volumes")}
	if err := os.MkdirAll(filepath.Join(v.folder, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v volume) path(name string) string { return filepath.Join(v.folder, "db", name) }

// put replaces a file by renaming, so that it is another file even within one tick of the file system's clock.
func (v volume) put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(v.path(name+".new"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(v.path(name+".new"), v.path(name)); err != nil {
		t.Fatal(err)
	}
}

func named(name string) string { return naming.VolumesDir + "/db/" + name }

func rule() *proxyconfig.ObjectRef {
	return &proxyconfig.ObjectRef{Kind: "DestinationRule", Namespace: "shop", Name: "db"}
}

// simple is a choice with a CA file.
func simple() proxyconfig.ClientTLS {
	return proxyconfig.ClientTLS{
		Mode: proxyconfig.ClientSimple, DecidedBy: rule(), SNI: host, SubjectAltNames: []string{host}, CACertificates: named("ca.crt"),
	}
}
