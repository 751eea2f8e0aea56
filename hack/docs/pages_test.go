package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is one that people read: README.md, or one of docs/.
type page struct {
	name, text string
}

// block is what stands between two fences.
type block struct {
	page     string
	line     int // of the first fence, from 1
	language string
	text     string
}

// readPages reads all of them.
func readPages(t *testing.T) []page {
	t.Helper()
	root := moduleRoot(t)
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d pages: %v", len(names), err)
	}
	var pages []page
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		short, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page{short, string(text)})
	}
	return pages
}

// blocks are those of all pages.
func blocks(t *testing.T) []block {
	t.Helper()
	var out []block
	for _, p := range readPages(t) {
		var open *block
		for i, line := range strings.Split(p.text, "\n") {
			language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
			switch {
			case fence && open == nil:
				open = &block{page: p.name, line: i + 1, language: language}
			case fence:
				out = append(out, *open)
				open = nil
			case open != nil:
				open.text += line + "\n"
			}
		}
		if open != nil {
			t.Errorf("%s:%d: the block has no end", p.name, open.line)
		}
	}
	return out
}

// TestLinksLead: a link to a file or a heading of ours leads there.
func TestLinksLead(t *testing.T) {
	root := moduleRoot(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, p := range readPages(t) {
		for _, match := range link.FindAllStringSubmatch(p.text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := filepath.Join(root, p.name)
			if target != "" {
				file = filepath.Join(filepath.Dir(file), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s: %v", p.name, match[1], err)
				continue
			}
			if anchor != "" && !hasHeading(t, file, anchor) {
				t.Errorf("%s: %s: there is no such heading", p.name, match[1])
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
