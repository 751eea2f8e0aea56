package sniff

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var mesh = &tls.Config{ServerName: "cart.shop.svc.cluster.local", NextProtos: []string{"h2", "warifu/1"}}

// TestHello: what the ClientHello says is the same in however many records and segments it comes, and all of it is there
// to be read afterwards.
func TestHello(t *testing.T) {
	whole := clientHello(t, mesh)
	want := Hello{ServerName: "cart.shop.svc.cluster.local", Protocols: []string{"h2", "warifu/1"}}
	for _, size := range []int{1, 2, 3, 4, 5, 100, 1000, 1 << 14} {
		sent := append(records(whole, size), "and more"...)
		for _, segment := range []int{1, 7, len(sent)} {
			client, looked := pair(t)
			go func() {
				for rest := sent; len(rest) > 0; {
					n := min(segment, len(rest))
					_, _ = client.Write(rest[:n])
					rest = rest[n:]
				}
				client.Close()
			}()
			first, err := looked.Look(patient)
			if err != nil || first.Kind != TLS {
				t.Fatalf("records of %d, segments of %d: %+v, %v", size, segment, first, err)
			}
			if diff := cmp.Diff(want, first.Hello); diff != "" {
				t.Errorf("records of %d, segments of %d: %s", size, segment, diff)
			}
			if !first.Hello.Offers("warifu/1") || first.Hello.Offers("warifu/2") {
				t.Error("Offers is wrong")
			}
			replayed, err := io.ReadAll(looked)
			if err != nil || !bytes.Equal(replayed, sent) {
				t.Errorf("records of %d, segments of %d: replayed %d bytes of %d, %v", size, segment, len(replayed), len(sent), err)
			}
		}
	}
}

// TestKinds: what a client may begin with, besides a good ClientHello.
func TestKinds(t *testing.T) {
	hello := clientHello(t, mesh)
	edit := func(change func([]byte) []byte) string { return string(change(bytes.Clone(hello))) }
	tests := []struct {
		name, sent string
		want       Kind
		problem    string
	}{
		{"nothing", "", Closed, ""},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", Plaintext, ""},
		{"one byte", "x", Plaintext, ""},
		{"MongoDB message of 278 bytes", "\x16\x01\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00", Plaintext, ""},
		{"another handshake message", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", Plaintext, ""},
		{"cut off in the header", string(hello[:3]), BrokenTLS, "after 3 bytes: EOF"},
		{"cut off in the message", string(hello[:300]), BrokenTLS, "after 300 bytes: EOF"},
		{"interrupted by an alert", string(records(hello, 100)[:105]) + "\x15\x03\x03\x00\x02\x01\x00", BrokenTLS, "record of type 21"},
		{"an empty record", "\x16\x03\x01\x00\x00" + string(hello), BrokenTLS, "empty record"},
		{"a record too long", "\x16\x03\x01\xff\xff\x01\x00", BrokenTLS, "record of 65535 bytes"},
		{"a message too long", "\x16\x03\x01\x00\x04\x01\xff\xff\xff", BrokenTLS, "of 16777215 bytes"},
		{"more than is held", strings.Repeat("\x16\x03\x01\x00\x01\x01", 1) + strings.Repeat("\x16\x03\x01\x00\x01\x00", 20000), BrokenTLS, ""},
		{"any version", edit(func(b []byte) []byte { b[1], b[2] = 0x0f, 0xff; return b }), TLS, ""},
		{"a length past the end", edit(func(b []byte) []byte { b[recordHeader+4+2+32] = 255; return b }), BrokenTLS, ""},
		{"cut extensions", edit(func(b []byte) []byte { b[len(b)-1]++; return b[:len(b)-1] }), BrokenTLS, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, looked := pair(t)
			go func() {
				_, _ = client.Write([]byte(test.sent))
				client.Close()
			}()
			first, err := looked.Look(patient)
			if err != nil || first.Kind != test.want {
				t.Fatalf("got %+v, %v; want kind %d", first, err, test.want)
			}
			if (first.Problem != nil) != (test.want == BrokenTLS) || first.Problem != nil && !strings.Contains(first.Problem.Error(), test.problem) {
				t.Errorf("problem %v, want %q", first.Problem, test.problem)
			}
		})
	}
}

// TestPatience: a silent client is told from one that stops within its ClientHello.
func TestPatience(t *testing.T) {
	short := Patience{First: 10 * time.Millisecond, Hello: 10 * time.Millisecond}
	_, looked := pair(t)
	if first, err := looked.Look(short); err != nil || first.Kind != Silent {
		t.Errorf("silent: %+v, %v", first, err)
	}
	client, looked := pair(t)
	if _, err := client.Write(clientHello(t, mesh)[:200]); err != nil {
		t.Fatal(err)
	}
	first, err := looked.Look(Patience{Hello: 10 * time.Millisecond})
	if err != nil || first.Kind != BrokenTLS || !strings.Contains(first.Problem.Error(), "timeout") {
		t.Errorf("stopped: %+v, %v", first, err)
	}
	// The deadlines are gone: what comes later is read.
	go client.Write([]byte("later")) //nolint:errcheck // seen by the reader
	if _, err := io.ReadFull(looked, make([]byte, 205)); err != nil {
		t.Errorf("read after the deadline: %v", err)
	}
}

// TestRelease: the bytes held are handed over once.
func TestRelease(t *testing.T) {
	client, looked := pair(t)
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := looked.Look(patient); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(looked, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	below, held := looked.Release()
	if string(held) != "llo" || below != looked.Conn {
		t.Errorf("released %q", held)
	}
}
