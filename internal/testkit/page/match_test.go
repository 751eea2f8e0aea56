package page_test

import (
	"testing"

	"github.com/warifu/warifu/internal/testkit/page"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"200 OK\n", "200 OK", true},
		{"200 OK\n", "200 OK\nmore", false},
		{"200 OK", "200OK", false},
		{"", "", true},
		{"", "error", false},
		{"200 OK\n…\n", "200 OK\nGET /\nHost: x\n", true},
		{"200 OK\n…\n", "200 OK\n", true},
		{"200 OK\n…\n", "403 Forbidden\n", false},
		{"Hash=31cd4a76…;URI=a", "Hash=77;URI=a", true},
		{"Hash=31cd4a76…;URI=a", "Hash=31cd77;URI=b", false},
		{"bin/…-amd64.tar", "bin/proxy-amd64.tar", true},
		{"NAME   MODE", "NAME       MODE\n", true},
		{"a long\nline", "a\nlong line", true},
		{"at web-79fd8667f4-tjdzp", "at web-6c5c8c9f7-x2x4z", true},
		{"at web-79fd8667f4-tjdzp", "at orders-6c5c8c9f7-x2x4z", false},
		{"10.0.0.1:80->10.96.4.55:80: read", "10.244.1.4:55458->10.1.1.1:80: read", true},
		{"10.0.0.1:80", "10.0.0.1", true}, // a port or none
		{"10.0.0.1", "web", false},
		{"Id: 45a7f091-b677-43a0-b91d-ce8dd9800339", "Id: 00000000-b677-43a0-b91d-ce8dd9800339", true},
		{"Id: 45a7f091-b677-43a0-b91d-ce8dd9800339", "Id: none", false},
		{"True 12s", "True 3m4s", true},
		{"True 12s", "False 12s", false},
		{"(none)", "(none)", true},
		{"2026-01-02T03:04:05Z", "2027-01-02T03:04:05Z", true},
	} {
		if got := page.Matches(c.shown, c.printed); got != c.want {
			t.Errorf("%q and %q: %t", c.shown, c.printed, got)
		}
	}
}
