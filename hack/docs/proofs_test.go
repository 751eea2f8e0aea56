package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProofsExist: a test that the documents name as a proof is there.
func TestProofsExist(t *testing.T) {
	root := moduleRoot(t)
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || entry.IsDir() {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range declaration.FindAllSubmatch(source, -1) {
			declared[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range readPages(t) {
		for _, match := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(p.Text, -1) {
			if !declared[match[1]] {
				t.Errorf("%s names %s, which does not exist", p.Name, match[1])
			}
		}
	}
}
