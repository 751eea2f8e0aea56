package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// Read reads every path: a file, a folder (recursively: its .yaml, .yml and .json files, in lexical order) or Stdin.
// The error is about a path that cannot be read; what is wrong inside a file is in Set.Findings.
func Read(paths []string, stdin io.Reader) (*Set, error) {
	set := &Set{}
	for _, path := range paths {
		if err := set.readPath(path, stdin); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func (s *Set) readPath(path string, stdin io.Reader) error {
	if path == Stdin {
		data, err := io.ReadAll(stdin)
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		s.add("standard input", data)
		return nil
	}
	// A link to a folder is given on purpose; links inside folders are not followed.
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return readError(path, err)
	}
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return readError(file, err)
		}
		if entry.IsDir() {
			if file != root && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if file != root && !isManifest(entry.Name()) {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return readError(file, err)
		}
		s.add(file, data)
		return nil
	})
}

func isManifest(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return !strings.HasPrefix(name, ".")
	}
	return false
}

// readError names the path once: the errors of package os carry it already.
func readError(path string, err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("read %s: %w", path, err)
}

// add takes in the documents of one source.
func (s *Set) add(source string, data []byte) {
	d := decoder{set: s, source: source}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for i, document := range split(data) {
		d.document = i + 1
		d.addDocument(document)
	}
}
