package netns

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// call opens a connection to a port of the server, on which nobody waits for ever.
func (a *arena) call(t *testing.T, from *kubelet.Pod, port uint16) *net.TCPConn {
	t.Helper()
	conn, err := dial(t, from, a.server.Net.IPv4, port)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(exchangeTimeout))
	return conn.(*net.TCPConn)
}

// say sends bytes to the witness's HTTP port, and nothing after them, and returns the statuses of all answers.
func (a *arena) say(t *testing.T, from *kubelet.Pod, text string) string {
	t.Helper()
	conn := a.call(t, from, witnessHTTP)
	defer conn.Close()
	_, _ = io.WriteString(conn, text) // who is refused in the middle may break it off
	_ = conn.CloseWrite()
	var got []string
	for reader := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				got = append(got, "nothing happens")
			}
			return strings.Join(got, " ")
		}
		got = append(got, fmt.Sprint(response.StatusCode))
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

// forged is a request in the client's own words. What is empty is as everybody would have it.
type forged struct {
	method, host, path string
	// fields are names and values by turns.
	fields []string
}

func (f forged) filled() forged {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&f.method, http.MethodGet)
	fill(&f.host, "payments")
	fill(&f.path, "/open")
	return f
}

// protocols say the same thing in their ways, and return the status.
func (a *arena) protocols() map[string]func(*testing.T, *kubelet.Pod, forged) string {
	return map[string]func(*testing.T, *kubelet.Pod, forged) string{"HTTP/1.1": a.sayHTTP1, "HTTP/2": a.sayHTTP2}
}

func (a *arena) sayHTTP1(t *testing.T, from *kubelet.Pod, f forged) string {
	t.Helper()
	f = f.filled()
	text := f.method + " " + f.path + " HTTP/1.1\r\nHost: " + f.host + "\r\n"
	for i := 0; i < len(f.fields); i += 2 {
		text += f.fields[i] + ": " + f.fields[i+1] + "\r\n"
	}
	return a.say(t, from, text+"\r\n")
}

func (a *arena) sayHTTP2(t *testing.T, from *kubelet.Pod, f forged) string {
	t.Helper()
	f = f.filled()
	fields := []string{":method", f.method, ":scheme", "http", ":authority", f.host, ":path", f.path}
	for i := 0; i < len(f.fields); i += 2 {
		fields = append(fields, strings.ToLower(f.fields[i]), f.fields[i+1])
	}
	s := a.speak(t, from, witnessHTTP)
	defer s.conn.Close()
	_ = s.headers(1, true, fields...)
	return s.outcome(1)
}

// speaker sends frames of HTTP/2, in order or not.
type speaker struct {
	*http2.Framer
	conn    net.Conn
	block   bytes.Buffer
	encoder *hpack.Encoder
}

// speak begins HTTP/2 with a port of the server.
func (a *arena) speak(t *testing.T, from *kubelet.Pod, port uint16) *speaker {
	t.Helper()
	return newSpeaker(a.call(t, from, port))
}

func newSpeaker(conn net.Conn) *speaker {
	s := &speaker{Framer: http2.NewFramer(conn, conn), conn: conn}
	s.AllowIllegalWrites = true
	s.encoder = hpack.NewEncoder(&s.block)
	s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = io.WriteString(conn, http2.ClientPreface)
	_ = s.WriteSettings()
	return s
}

// encode makes a header block of names and values.
func (s *speaker) encode(pairs ...string) []byte {
	s.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = s.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return s.block.Bytes()
}

func (s *speaker) headers(id uint32, end bool, pairs ...string) error {
	return s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: s.encode(pairs...)})
}

// ask begins a request as everybody does.
func (s *speaker) ask(id uint32, end bool) error {
	return s.headers(id, end, ":method", http.MethodPost, ":scheme", "http", ":authority", "payments", ":path", "/open")
}

// outcome is the status of a stream, or how it ended without: GOAWAY, RST_STREAM or the end of the connection.
func (s *speaker) outcome(id uint32) string {
	for {
		frame, err := s.ReadFrame()
		if err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				return "nothing happens"
			}
			return "closed"
		}
		switch f := frame.(type) {
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return f.ErrCode.String()
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "reset " + f.ErrCode.String()
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		}
	}
}
