package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
