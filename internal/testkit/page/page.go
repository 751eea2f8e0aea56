package page

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Page is a document.
type Page struct {
	// Name is its path from the root of the source, such as docs/security.md.
	Name string
	Text string
}

// Block is what stands between two fences.
type Block struct {
	Page string
	// Line is that of the first fence, from 1.
	Line     int
	Language string
	Text     string
}

// Read reads all documents of the source: those of docs/ in the order of their names, then README.md.
func Read(root string) ([]Page, error) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no docs/*.md", root)
	}
	var pages []Page
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		short, err := filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		pages = append(pages, Page{filepath.ToSlash(short), string(text)})
	}
	return pages, nil
}

// Blocks are those of the page, in their order. With an error, which names blocks without an end, come those that have one.
func (p Page) Blocks() ([]Block, error) {
	var out []Block
	var open *Block
	line := 0
	for text := range strings.Lines(p.Text) {
		line++
		language, fence := strings.CutPrefix(strings.TrimSpace(text), "```")
		switch {
		case fence && open == nil:
			open = &Block{Page: p.Name, Line: line, Language: language}
		case fence:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.Text += text
		}
	}
	if open != nil {
		return out, fmt.Errorf("%s:%d: the block has no end", p.Name, open.Line)
	}
	return out, nil
}

// Blocks are those of all pages.
func Blocks(pages []Page) ([]Block, error) {
	var out []Block
	var failures []error
	for _, p := range pages {
		blocks, err := p.Blocks()
		out, failures = append(out, blocks...), append(failures, err)
	}
	return out, errors.Join(failures...)
}
