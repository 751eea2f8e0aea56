package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamesExist: what the pages call by name, in code, is so called where it comes from.
func TestNamesExist(t *testing.T) {
	root := moduleRoot(t)
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	source := spoken(t)
	for _, kind := range []struct {
		what string
		name *regexp.Regexp
		in   string
		as   func(name string) string
	}{
		{"metric", regexp.MustCompile(`\bwarifu_[a-z_]+\b`), read("docs/metrics.md"), func(name string) string { return "| `" + name + "` |" }},
		{"alert", regexp.MustCompile(`\bWarifu[A-Z][A-Za-z]+\b`), read("charts/warifu/files/alerts.yaml"), func(name string) string { return "alert: " + name + "\n" }},
		{"value of the chart", regexp.MustCompile("`(?:proxy|webhook|guards|crds|uninstall|metrics|networkPolicy|image)\\.[A-Za-z.]+(?:=|`)"), read("charts/warifu/README.md"),
			func(name string) string { return "| `" + strings.Trim(name, "`=") }},
		// With a dot before it the group is that of an object which kubectl speaks of: peerauthentication.warifu.dev/default.
		{"label or annotation", regexp.MustCompile(`[^.a-z]warifu\.dev/[a-z-]+[a-z]\b`), source, func(name string) string { return name[strings.LastIndex(name, "/"):] + `"` }},
	} {
		found := 0
		for _, p := range readPages(t) {
			for _, name := range kind.name.FindAllString(p.Text, -1) {
				found++
				if !strings.Contains(kind.in, kind.as(name)) {
					t.Errorf("%s: there is no %s %s", p.Name, kind.what, name)
				}
			}
		}
		if found == 0 {
			t.Errorf("no page names a %s", kind.what)
		}
	}
}
