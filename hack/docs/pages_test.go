package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/testkit/page"
)

// readPages reads all pages that people read.
func readPages(t *testing.T) []page.Page {
	t.Helper()
	pages, err := page.Read(moduleRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// blocks are those of all pages.
func blocks(t *testing.T) []page.Block {
	t.Helper()
	out, err := page.Blocks(readPages(t))
	if err != nil {
		t.Error(err)
	}
	return out
}

// TestLinksLead: a link to a file or a heading of ours leads there.
func TestLinksLead(t *testing.T) {
	root := moduleRoot(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, p := range readPages(t) {
		for _, match := range link.FindAllStringSubmatch(p.Text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := filepath.Join(root, p.Name)
			if target != "" {
				file = filepath.Join(filepath.Dir(file), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s: %v", p.Name, match[1], err)
				continue
			}
			if anchor != "" && !hasHeading(t, file, anchor) {
				t.Errorf("%s: %s: there is no such heading", p.Name, match[1])
			}
		}
	}
}

// hasHeading makes anchors of headings as GitHub does.
func hasHeading(t *testing.T, file, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		if strings.ReplaceAll(kept, " ", "-") == anchor {
			return true
		}
	}
	return false
}
