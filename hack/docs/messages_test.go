package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// foreign are messages of Kubernetes, of Go's libraries and of TLS that pages quote.
var foreign = []string{
	"connection refused", "i/o timeout", "no such host", "deadline exceeded", "alert certificate required",
	"failed calling webhook \"namespace.injector.warifu.dev\"", "secret \"warifu-identity-orders\" not found", "violates PodSecurity",
	"HTTP probe failed with statuscode:", "x509: certificate signed by unknown authority", "remote error: tls:",
	"tls: client didn't provide a certificate", "tls: client offered only unsupported versions",
	"tls: first record does not look like a TLS handshake",
}

// TestMessagesAreReal: what the page on troubleshooting quotes of our programs is in their source. A quotation is a reason, or code
// with a space in it that is no command line; … stands for what differs.
func TestMessagesAreReal(t *testing.T) {
	source := spoken(t)
	for _, text := range foreign {
		source += text + "\n"
	}
	command := regexp.MustCompile(`^(warifu|kubectl|curl) |[=:] ?["\[{]|^/|^[a-z.]+/[a-z-]+: `)
	reason := regexp.MustCompile(`^[A-Z][a-z]+[A-Z][A-Za-z]+$`)
	found := 0
	for _, p := range readPages(t) {
		if p.Name != filepath.Join("docs", "troubleshooting.md") {
			continue
		}
		prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(p.Text, "")
		for _, code := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(prose, -1) {
			if reason.MatchString(code[1]) && !strings.HasPrefix(code[1], "Test") && !strings.Contains(source, `"`+code[1]+`"`) {
				t.Errorf("there is no reason %s", code[1])
			}
			if !strings.Contains(code[1], " ") || command.MatchString(code[1]) {
				continue
			}
			for fragment := range strings.SplitSeq(code[1], "…") {
				found++
				if fragment = strings.Trim(fragment, " ,;:"); !strings.Contains(source, fragment) {
					t.Errorf("nothing says %q, of `%s`", fragment, code[1])
				}
			}
		}
	}
	if found == 0 {
		t.Error("the page quotes nothing")
	}
}

// spoken is the source of what people run, with literals that are written in parts made whole.
func spoken(t *testing.T) string {
	t.Helper()
	parts := regexp.MustCompile(`"\s*\+\s*"`)
	var all strings.Builder
	for _, folder := range []string{"internal", "controllers", "webhooks", "api"} {
		err := filepath.WalkDir(filepath.Join(moduleRoot(t), folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.WriteString(parts.ReplaceAllString(strings.ReplaceAll(string(text), `\"`, `"`), ""))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
