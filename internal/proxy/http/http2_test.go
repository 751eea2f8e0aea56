package http

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/authz"
)

func TestHTTP2Request(t *testing.T) {
	var got *nethttp.Request
	app := h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		got = r.Clone(r.Context())
		body, _ := io.ReadAll(r.Body)
		got.Trailer = r.Trailer
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(nethttp.StatusTeapot)
		_, _ = w.Write(bytes.ToUpper(body))
		w.Header().Set("X-Sum", "42")
	})
	b := newH2Bed(t, app)
	request, _ := nethttp.NewRequest("POST", "http://"+b.address+"/a/./b//c?x=%2f&y", io.NopCloser(strings.NewReader("hello")))
	request.Host = "app.example:80"
	request.Header["Cookie"] = []string{"a=1; b=2"}
	request.Header.Set("X-Forwarded-Client-Cert", "URI=spiffe://evil")
	request.Trailer = nethttp.Header{"X-Client": {"end"}, "X-Forwarded-Client-Cert": {"URI=spiffe://evil"}}
	response, err := h2Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "HELLO" || response.StatusCode != nethttp.StatusTeapot || response.ProtoMajor != 2 {
		t.Errorf("got %s %q %v", response.Status, body, err)
	}
	if sum := response.Trailer.Get("X-Sum"); sum != "42" {
		t.Errorf("trailer of the answer: %q", sum)
	}
	if got.RequestURI != "/a/b/c?x=%2f&y" || got.Host != "app.example:80" || got.ProtoMajor != 2 {
		t.Errorf("the application got %s %s %s", got.Proto, got.Host, got.RequestURI)
	}
	if got.Trailer.Get("X-Client") != "end" || got.Trailer.Get("X-Forwarded-Client-Cert") != "" {
		t.Errorf("trailers of the request: %v", got.Trailer)
	}
	if got.Header.Get("X-Forwarded-Client-Cert") != "" || got.Header.Get("Cookie") != "a=1; b=2" || len(got.Header.Get("X-Request-Id")) != 36 {
		t.Errorf("the application got %v", got.Header)
	}
}

// TestHTTP2Head: the answer to HEAD has a length and no body.
func TestHTTP2Head(t *testing.T) {
	app := h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { w.Header().Set("Content-Length", "1000") })
	b := newH2Bed(t, app)
	response, err := h2Client(t).Head("http://" + b.address)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); len(body) > 0 || err != nil || response.ContentLength != 1000 {
		t.Errorf("got %q, %v, length %d", body, err, response.ContentLength)
	}
}

func TestHTTP2Informational(t *testing.T) {
	app := h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body) // says 100 Continue
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(nethttp.StatusEarlyHints)
		_, _ = w.Write(body)
	})
	b := newH2Bed(t, app)
	var hints []int
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		hints = append(hints, code)
		return nil
	}}
	request, _ := nethttp.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", "http://"+b.address, strings.NewReader("body"))
	request.Header.Set("Expect", "100-continue")
	response, err := h2Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if d := cmp.Diff([]int{100, 103}, hints); d != "" || string(body) != "body" {
		t.Errorf("informational answers: %s; body %q", d, body)
	}
}

// TestHTTP2Concurrent: every answer belongs to its request.
func TestHTTP2Concurrent(t *testing.T) {
	app := h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		_, _ = fmt.Fprintf(w, "%s %x", r.URL.Path, sum.Sum(nil))
	})
	b := newH2Bed(t, app)
	client := h2Client(t)
	var work sync.WaitGroup
	for i := range 400 { // more than may be open at once
		work.Go(func() {
			body := make([]byte, i*300)
			_, _ = rand.Read(body)
			path := fmt.Sprintf("/%d", i)
			response, err := client.Post("http://"+b.address+path, "", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			got, _ := io.ReadAll(response.Body)
			if want := fmt.Sprintf("%s %x", path, sha256.Sum256(body)); string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	work.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		if len(s.open) > 0 {
			t.Errorf("%d exchanges are still open", len(s.open))
		}
	}
}

func TestHTTP2Denied(t *testing.T) {
	app := h2App(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("a denied request arrived") })
	b := newH2Bed(t, app)
	var asked authz.Request
	b.policy(func(r authz.Request) authz.Decision { asked = r; return authz.Decision{Reason: authz.ReasonDenied} })
	// The body is larger than any window: the client must be told to stop.
	response, err := h2Client(t).Post("http://"+b.address+"/x/../admin?q", "text/plain", bytes.NewReader(make([]byte, 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != nethttp.StatusForbidden || string(body) != deniedText || response.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %s %q %v", response.Status, body, response.Header)
	}
	if asked.HTTP.Path != "/admin" || asked.HTTP.Method != "POST" || asked.HTTP.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("policy was asked about %+v", asked.HTTP)
	}
}
