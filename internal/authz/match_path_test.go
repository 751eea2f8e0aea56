package authz

import (
	"slices"
	"testing"
)

func TestPathTemplate(t *testing.T) {
	tests := []struct {
		template string
		yes, no  []string
	}{
		{"/allow/admin/{**}", []string{"/allow/admin/", "/allow/admin/a", "/allow/admin/a/b"}, []string{"/allow/admin", "/allow/adminx", "/x/allow/admin/"}},
		{"/foo/{*}/bar/{**}", []string{"/foo/buzz/bar/x", "/foo/buzz/bar/"}, []string{"/foo//bar/x", "/foo/buzz/bar", "/foo/a/b/bar/x"}},
		{"/store/{**}/cart", []string{"/store//cart", "/store/a/cart", "/store/a/b/cart"}, []string{"/store/cart", "/store/a/cart/x"}},
		{"/{*}", []string{"/a", "/*"}, []string{"/", "/a/b", "/a/"}},
		{"/{**}", []string{"/", "/a", "/a/b"}, []string{""}},
		{"/a/{*}/", []string{"/a/b/"}, []string{"/a/b", "/a//"}},
		{"/{*}/{*}/x", []string{"/a/b/x"}, []string{"/a/x", "/a/b/c/x"}},
		{"/caf%c3%a9/{*}", []string{"/caf%C3%A9/1"}, []string{"/caf%c3%a9/1"}},
	}
	for _, tt := range tests {
		p, err := parsePath(tt.template)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range slices.Concat(tt.yes, tt.no) {
			if want := slices.Contains(tt.yes, path); p.match(path) != want {
				t.Errorf("%s matches %q = %t, want %t", tt.template, path, !want, want)
			}
		}
	}
}

func TestValidatePath(t *testing.T) {
	for _, good := range []string{"/", "/a", "/a*", "*/a", "*", "a", "/a/{*}", "/{**}/b.txt", "/{*}/", "/{*}/{**}/x/y"} {
		if err := ValidatePath(good); err != nil {
			t.Errorf("ValidatePath(%q): %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/a*b", "/*/a", "/{x}", "/{", "/a}", "/foo/{*}.txt", "/{**}/{*}", "/{**}/a/{**}", "/{*}/a*", "{**}", "a/{*}",
		"/a//{*}", "/{*}/\"", "/{***}", "/{*}*",
	} {
		if err := ValidatePath(bad); err == nil {
			t.Errorf("ValidatePath(%q) is accepted", bad)
		}
	}
}

func TestPathNeverMatches(t *testing.T) {
	for value, want := range map[string]bool{
		"/": false, "/a": false, "/a*": false, "/a/.*": false, "/.well-known/x": false, "*": false, "*/info": false, "*.php": false,
		"/a/{*}/b": false, "/{**}": false, "/café": false, "/a%2fb": false,
		"healthz": true, "admin*": true, "//admin": true, "/a/../b": true, "/a/./b*": true, "*//b": true, "/a?x=1": true, "/a#b": true,
		"/a%zz": true, "/a%00": true, "/a/../{*}": true,
	} {
		if got := PathNeverMatches(value); got != want {
			t.Errorf("PathNeverMatches(%q) = %t, want %t", value, got, want)
		}
	}
}
