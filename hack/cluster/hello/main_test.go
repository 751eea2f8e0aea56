package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestGetShowsWhatTheServerReceived(t *testing.T) {
	server := httptest.NewServer(handler())
	defer server.Close()
	var out bytes.Buffer
	if err := ask(t.Context(), http.MethodGet, server.URL+"/menu?today", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"200 OK\n", "GET /menu?today at ", "User-Agent: Go-http-client"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q does not contain %q", out.String(), want)
		}
	}
}

func TestGetFailsWithoutAnAnswer(t *testing.T) {
	server := httptest.NewServer(handler())
	server.Close()
	if err := ask(t.Context(), http.MethodGet, server.URL, &bytes.Buffer{}); err == nil {
		t.Error("no answer is no error")
	}
}

func TestLoadCountsWhatFails(t *testing.T) {
	server := httptest.NewServer(handler())
	defer server.Close()
	for path, want := range map[string]string{"/": ", 0 failed\n", pathFail: "failed: status 503"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		var out syncBuffer
		if err := load(ctx, server.URL+path, &out); err != nil {
			t.Fatal(err)
		}
		cancel()
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "\n0 requests") {
			t.Errorf("%s: %q does not contain %q", path, got, want)
		}
	}
}

// TestHealthIsAnsweredAsGRPC: the frame and the trailer are what kubelet's client insists on.
func TestHealthIsAnsweredAsGRPC(t *testing.T) {
	server := httptest.NewServer(handler())
	defer server.Close()
	for service, want := range map[string]string{"": "\x00\x00\x00\x00\x02\x08\x01", serviceDown: "\x00\x00\x00\x00\x02\x08\x02"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+pathHealth, strings.NewReader("\x00\x00\x00\x00\x06\x0a\x04"+service))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != want || response.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("service %q: %q, trailers %v, error %v; want %q", service, body, response.Trailer, err, want)
		}
	}
}
