package authz

import (
	"errors"
	"testing"
)

func TestNormalizePath(t *testing.T) {
	for raw, want := range map[string]string{
		// The table of the model, in its strictest column.
		"/app/../admin":   "/admin",
		"/app//":          "/app/",
		"/app/%2f":        "/app/",
		`/app\admin`:      "/app/admin",
		"/app//../admin":  "/app/admin",
		"/app/%5Cadmin":   "/app/admin",
		"/app%2Fadmin":    "/app/admin",
		"/app/%2e%2E/x":   "/x",
		"/app/%2f../x":    "/app/x",
		"/app/..%2fadmin": "/admin",
		"/app%5c..%5cx":   "/x",

		// Where slashes and dots are at the edges.
		"/": "/", "": "/", "//": "/", "///a///b///": "/a/b/", "//admin/x": "/admin/x",
		"/.": "/", "/..": "/", "/../..": "/", "/../a": "/a", "/./a": "/a", "/a/.": "/a/", "/a/..": "/", "/a/b/..": "/a/",
		"/a/../..//b": "/b", "/a/./b/../c": "/a/c", "/...": "/...", "/.a": "/.a", "/a/..b": "/a/..b", "/.well-known/x": "/.well-known/x",

		// Query and fragment.
		"/a?b=/../c": "/a", "/a#b": "/a", "/a#b?c": "/a", "/a?b#c": "/a", "?x": "/", "/a%3Fb": "/a%3Fb", "/a%23b": "/a%23b",
		"/admin#/../public": "/admin",

		// Spelling.
		"/%61dmin": "/admin", "/%7Eme": "/~me", "/a%2db": "/a-b", "/caf%c3%a9": "/caf%C3%A9", "/café": "/caf%C3%A9",
		"/a b": "/a%20b", "/a%20b": "/a%20b", "/a|b": "/a%7Cb", `/"`: "/%22", "/a%2Ab": "/a%2Ab", "/a*b": "/a*b",
		"/!$&'()*+,;=:@-._~": "/!$&'()*+,;=:@-._~",

		// Left alone.
		"/%252e%252e/x": "/%252e%252e/x", "/%252f": "/%252f", "/%c0%ae%c0%ae/x": "/%C0%AE%C0%AE/x",
		"/a;b=c/d": "/a;b=c/d", "/a;/../b": "/b", "/Admin": "/Admin", "/%2541": "/%2541",
	} {
		got, err := NormalizePath(raw)
		if err != nil || got != want {
			t.Errorf("NormalizePath(%q) = %q, %v, want %q", raw, got, err, want)
		}
		if again, err := NormalizePath(got); err != nil || again != got {
			t.Errorf("NormalizePath(%q) = %q, %v: not idempotent", got, again, err)
		}
	}
}

func TestNormalizePathRefuses(t *testing.T) {
	for raw, want := range map[string]error{
		"admin":          ErrPathNotAbsolute,
		"*":              ErrPathNotAbsolute,
		`\admin`:         ErrPathNotAbsolute,
		"%2Fadmin":       ErrPathNotAbsolute,
		"http://h/admin": ErrPathNotAbsolute,
		"/a%00":          ErrPathControl,
		"/a\x00":         ErrPathControl,
		"/a%0d%0ab":      ErrPathControl,
		"/a\tb":          ErrPathControl,
		"/a%7f":          ErrPathControl,
		"/a\x7f":         ErrPathControl,
		"/%":             ErrPathEscape,
		"/%2":            ErrPathEscape,
		"/%zz":           ErrPathEscape,
		"/%%32%65":       ErrPathEscape,
		"/%4%31":         ErrPathEscape,
		"/a/..;/b":       ErrPathDotParams,
		"/a/.;x=1/b":     ErrPathDotParams,
		"/a/%2e%2e;x/b":  ErrPathDotParams,
	} {
		if got, err := NormalizePath(raw); !errors.Is(err, want) {
			t.Errorf("NormalizePath(%q) = %q, %v, want error %v", raw, got, err, want)
		}
	}
	// What stands in the query is the application's.
	if got, err := NormalizePath("/a?%00%zz"); got != "/a" || err != nil {
		t.Errorf("a query is read: %q, %v", got, err)
	}
}

func TestNormalizePathOfNormalAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = NormalizePath("/shop/cart/7?x=/../y") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
