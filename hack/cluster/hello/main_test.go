package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestGetShowsWhatTheServerReceived(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	var out bytes.Buffer
	if err := get(t.Context(), server.URL+"/menu?today", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"200 OK\n", "GET /menu?today at ", "User-Agent: Go-http-client"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q does not contain %q", out.String(), want)
		}
	}
}

func TestGetFailsWithoutAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(answer))
	server.Close()
	if err := get(t.Context(), server.URL, &bytes.Buffer{}); err == nil {
		t.Error("no answer is no error")
	}
}

func TestLoadCountsWhatFailed(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	var out bytes.Buffer
	if err := load(t.Context(), server.URL, 300*time.Millisecond, &out); err == nil {
		t.Error("a failed request is no error")
	}
	if !strings.Contains(out.String(), "503") || !strings.HasSuffix(out.String(), fmt.Sprintf("%d requests, 1 failed\n", asked.Load())) {
		t.Errorf("after %d requests: %s", asked.Load(), &out)
	}
}
