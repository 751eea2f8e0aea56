package webhooks

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// post sends a body, and returns the status.
func post(t *testing.T, server *httptest.Server, body io.Reader) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	if err != nil {
		t.Error(err)
		return 0
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// TestLargeRequestsTakeTurns: however many large requests there are, few are read at a time, and none keeps a small one.
func TestLargeRequestsTakeTurns(t *testing.T) {
	large := strings.Repeat("x", smallBody+1)
	reading, finish := make(chan struct{}, 2*maxLarge), make(chan struct{})
	server := httptest.NewServer(limited{newLimits(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 1 {
			reading <- struct{}{}
			<-finish
		}
	})})
	defer server.Close()
	answers := make(chan int, maxLarge)
	for range maxLarge {
		go func() { answers <- post(t, server, strings.NewReader(large)) }()
	}
	for range maxLarge {
		<-reading
	}
	if got := post(t, server, strings.NewReader(large)); got != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", got)
	}
	if got := post(t, server, struct{ io.Reader }{strings.NewReader("x")}); got != http.StatusServiceUnavailable {
		t.Errorf("one that does not tell its size: %d", got)
	}
	if got := post(t, server, strings.NewReader("x")); got != http.StatusOK {
		t.Errorf("a small one: %d", got)
	}
	close(finish)
	for range maxLarge {
		if got := <-answers; got != http.StatusOK {
			t.Errorf("one in its turn: %d", got)
		}
	}
	if got := post(t, server, strings.NewReader(large)); got != http.StatusOK {
		t.Errorf("one after the others: %d", got)
	}
}

// TestSlowSendersAreCutOff: a turn is not kept by whoever sends nothing.
func TestSlowSendersAreCutOff(t *testing.T) {
	server := httptest.NewServer(limited{newLimits(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})})
	defer server.Close()
	body, sender := io.Pipe()
	defer sender.Close()
	begin := time.Now()
	if got := post(t, server, body); got != http.StatusBadRequest || time.Since(begin) > 5*maxRead {
		t.Errorf("got %d after %s", got, time.Since(begin))
	}
}
