package sniff

import (
	"crypto/tls"
	"slices"
	"testing"
)

// FuzzHello compares with crypto/tls: where both read a ClientHello, they read the same, and whatever crypto/tls would
// take is TLS or BrokenTLS here, never plaintext.
func FuzzHello(f *testing.F) {
	for _, config := range []*tls.Config{
		mesh,
		{ServerName: "example.org"},
		{InsecureSkipVerify: true, NextProtos: []string{"h2"}},
		{ServerName: "old.example", MaxVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.CurveP256}},
	} {
		hello := clientHello(f, config)
		f.Add(hello, 1<<14)
		f.Add(hello, 50)
		f.Add(hello[:len(hello)-1], 1<<14)
	}
	f.Add([]byte("\x16\x03\x01\x00\x00"), 1)
	f.Fuzz(func(t *testing.T, received []byte, size int) {
		if len(received) > recordHeader && received[0] == recordHandshake && size > 0 && size < 1<<14 {
			received = records(received, size)
		}
		first, err := NewConn(&given{rest: slices.Clone(received)}).Look(Patience{})
		if err != nil {
			t.Fatalf("error %v", err)
		}
		theirs, ok := asGo(received)
		switch {
		case ok && first.Kind == BrokenTLS: // stricter, and refused
		case ok && first.Kind != TLS:
			t.Errorf("crypto/tls reads %+v, kind here is %d", theirs, first.Kind)
		case ok && (theirs.ServerName != first.Hello.ServerName || !slices.Equal(theirs.Protocols, first.Hello.Protocols)):
			t.Errorf("crypto/tls reads %+v, here %+v", theirs, first.Hello)
		}
	})
}

// TestHelloOfGo: what Go's own client sends is read as crypto/tls reads it.
func TestHelloOfGo(t *testing.T) {
	for _, config := range []*tls.Config{
		mesh, {ServerName: "example.org"}, {InsecureSkipVerify: true, NextProtos: []string{"h2"}},
		{ServerName: "old.example", MaxVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.CurveP256}},
	} {
		sent := clientHello(t, config)
		first, err := NewConn(&given{rest: slices.Clone(sent)}).Look(Patience{})
		theirs, ok := asGo(sent)
		if err != nil || !ok || first.Kind != TLS || theirs.ServerName != first.Hello.ServerName ||
			!slices.Equal(theirs.Protocols, first.Hello.Protocols) {
			t.Errorf("crypto/tls reads %+v, here %+v, %v", theirs, first, err)
		}
	}
}
