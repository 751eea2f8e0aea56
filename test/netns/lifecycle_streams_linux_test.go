package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// counts are what the server's application has counted.
func (s *shop) counts(t *testing.T) (c told, err error) {
	t.Helper()
	got := ask(t, s.stranger, s.server.Net.IPv4, "/counts", nil)
	if got.err != nil {
		return c, got.err
	}
	return c, json.Unmarshal([]byte(got.body), &c)
}

// opened is a connection from a client to the server's application, through both proxies.
func (s *shop) opened(t *testing.T, port uint16) *net.TCPConn {
	t.Helper()
	conn, err := dial(t, s.orders, s.server.Net.IPv4, port)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// carried is how many connections the proxies of client and server have open.
func (s *shop) carried(t *testing.T) (n int, err error) {
	t.Helper()
	for _, pod := range []*kubelet.Pod{s.orders, s.server} {
		for _, direction := range []string{"inbound", "outbound"} {
			more, problem := open(t.Context(), pod, direction)
			n, err = n+more, errors.Join(err, problem)
		}
	}
	return n, err
}

// diesHalfWay: when a client dies in the middle of an upload, the application learns that this was not its end, and the proxies
// keep nothing of it.
func (s *shop) diesHalfWay(t *testing.T) {
	kept, err := s.carried(t)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.counts(t)
	if err != nil {
		t.Fatal(err)
	}
	uploads := []*net.TCPConn{s.opened(t, appSink), s.opened(t, appHTTP), s.opened(t, appHTTP)}
	for _, upload := range uploads[1:] {
		fmt.Fprintf(upload, "PUT / HTTP/1.1\r\nHost: payments\r\nContent-Length: %d\r\n\r\n", 2*streamChunk)
	}
	for _, upload := range uploads {
		if _, err := upload.Write(make([]byte, streamChunk)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the application reads", func() error {
		now, err := s.counts(t)
		if err == nil && now.Sinking != before.Sinking+1 {
			err = fmt.Errorf("%+v", now)
		}
		return err
	})
	// The kernel resets the connections of a process that dies, unless it had read all there was.
	for _, upload := range uploads[:2] {
		_ = upload.SetLinger(0)
	}
	for _, upload := range uploads {
		_ = upload.Close()
	}
	want := before
	want.BrokenSinks++
	want.BrokenUploads += 2
	eventually(t, "the application knows", func() error {
		now, err := s.counts(t)
		if err == nil && now != want {
			err = fmt.Errorf("counted %+v, want %+v", now, want)
		}
		return err
	})
	eventually(t, "the proxies keep nothing", func() error {
		now, err := s.carried(t)
		if err == nil && now > kept {
			err = fmt.Errorf("%d connections are open, and were %d", now, kept)
		}
		return err
	})
}

// halfClose: a client that has said all it has to say still hears the answer.
func (s *shop) halfClose(t *testing.T) {
	const sent = 3 * streamChunk
	bytes := s.opened(t, appSink)
	if _, err := bytes.Write(make([]byte, sent)); err != nil {
		t.Fatal(err)
	}
	request := s.opened(t, appHTTP)
	fmt.Fprint(request, "GET /slow?for=300ms HTTP/1.1\r\nHost: payments\r\nConnection: close\r\n\r\n")
	for conn, want := range map[*net.TCPConn]string{bytes: fmt.Sprintln(sent), request: slowEnd} {
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(exchangeTimeout))
		if got, err := io.ReadAll(conn); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("the answer is %q, %v, want %q", got, err, want)
		}
	}
}

// slowReader: a client that does not read holds up the server's writer, not the proxies' memory.
func (s *shop) slowReader(t *testing.T) {
	watched := s.watchMemory(t)
	client := s.opened(t, appPour)
	poured, since := int64(-1), time.Now()
	eventually(t, "the server's writer is held up", func() error {
		now, err := s.counts(t)
		if err != nil {
			return err
		}
		if now.Poured != poured {
			poured, since = now.Poured, time.Now()
		}
		if still := time.Since(since); poured <= 0 || still < time.Second {
			return fmt.Errorf("%d bytes, for %s", poured, still)
		}
		return nil
	})
	// Three connections have a sender's and a receiver's buffer each, of some MiB at most.
	const most = 64 << 20
	if poured > most {
		t.Errorf("%d bytes are on the way to a client that does not read", poured)
	}
	t.Logf("held up after %d KiB", poured>>10)
	watched.flat(t)
	if _, err := io.CopyN(io.Discard, client, 2*poured); err != nil {
		t.Errorf("once the client reads: %v", err)
	}
	_ = client.Close()
	eventually(t, "the server's writer ends", func() error {
		now, err := s.counts(t)
		if err == nil && now.Pouring > 0 {
			err = fmt.Errorf("%d pour", now.Pouring)
		}
		return err
	})
}
