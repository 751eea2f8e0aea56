package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// hierarchies are the roots of all cgroups: one of version 2, or many of version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	all, err := filepath.Glob(filepath.Join(cgroupRoot, "*", "cgroup.procs"))
	for i := range all {
		all[i] = filepath.Dir(all[i])
	}
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("there are no cgroups at %s", cgroupRoot)
	}
	return all, err
}

// MakeCgroup makes a cgroup in every hierarchy.
func MakeCgroup(path string) error {
	roots, err := hierarchies()
	for _, root := range roots {
		err = errors.Join(err, os.MkdirAll(filepath.Join(root, path), 0o755))
	}
	return err
}

// RemoveCgroup removes a cgroup with all below it from every hierarchy. Those of processes that were killed are busy for a
// moment.
func RemoveCgroup(ctx context.Context, path string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		for {
			err := removeTree(filepath.Join(root, path))
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("a cgroup cannot be removed: %w", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// removeTree removes the folders, the deepest first; the files in them are the kernel's.
func removeTree(top string) error {
	var folders []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	for _, folder := range slices.Backward(folders) {
		if removeErr := syscall.Rmdir(folder); removeErr != nil && !errors.Is(removeErr, syscall.ENOENT) {
			err = errors.Join(err, fmt.Errorf("%s: %w", folder, removeErr))
		}
	}
	return err
}
