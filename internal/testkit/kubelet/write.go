package kubelet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dataLink is the symlink whose swap replaces all files of a volume at once.
const dataLink = "..data"

// Write makes the files those of a volume's folder, as kubelet does: they stand in a folder of their own, to which ..data
// points, and what is read at their paths are links through it. Where nothing has changed nothing is touched.
func Write(dir string, files map[string][]byte) error {
	current := filepath.Join(dir, dataLink)
	same, err := holds(current, files)
	if same || err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	generation, err := os.MkdirTemp(dir, "..generation-")
	if err != nil {
		return err
	}
	if err := os.Chmod(generation, 0o755); err != nil {
		return err
	}
	for path, content := range files {
		if err := writeFile(filepath.Join(generation, path), content); err != nil {
			return err
		}
	}
	before, _ := os.Readlink(current) // none the first time
	next := current + "_tmp"
	if err := os.Symlink(filepath.Base(generation), next); err != nil {
		return err
	}
	if err := os.Rename(next, current); err != nil {
		return err
	}
	if err := links(dir, generation); err != nil {
		return err
	}
	if before == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, before))
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// links makes what stands at the top of the generation visible, and removes links to what is no longer there.
func links(dir, generation string) error {
	entries, err := os.ReadDir(generation)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		err := os.Symlink(filepath.Join(dataLink, entry.Name()), filepath.Join(dir, entry.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	visible, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range visible {
		link := filepath.Join(dir, entry.Name())
		if _, err := os.Stat(link); errors.Is(err, fs.ErrNotExist) {
			if err := os.Remove(link); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds tells whether a folder has exactly the files.
func holds(dir string, files map[string][]byte) (bool, error) {
	root, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, same := 0, true
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		found++
		want, ok := files[name]
		same = same && ok && bytes.Equal(content, want)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading the volume's files: %w", err)
	}
	return same && found == len(files), nil
}
