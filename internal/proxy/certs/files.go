package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/warifu/warifu/internal/naming"
)

const (
	// maxFile bounds a file, in bytes, as a Secret or a ConfigMap does.
	maxFile = 1 << 20
	// maxFiles bounds how many are kept.
	maxFiles = 256
)

// files are the user's files below one folder, read again when they have changed. The workload, or whoever else writes to a
// volume, chooses what is in it, so that no link may lead out of the folder: next to it are the keys of the workload.
type files struct {
	folder string

	mu   sync.Mutex
	kept map[string]file
}

type file struct {
	info fs.FileInfo
	data []byte
}

func newFiles(folder string) *files { return &files{folder: folder, kept: map[string]file{}} }

// read is the content of a file named by its path in the proxy's container. It must not be changed.
func (f *files) read(name string) ([]byte, error) {
	inFolder, ok := strings.CutPrefix(name, naming.VolumesDir+"/")
	if !ok || path.Clean(name) != name {
		return nil, fmt.Errorf("a proxy reads only files of its volumes: list the pod's volume in its annotation %s and write %s/<volume>/<file>",
			naming.AnnotationProxyVolumes, naming.VolumesDir)
	}
	data, err := f.current(inFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no such file: is the pod's volume listed in its annotation %s, and the file in it? (%w)", naming.AnnotationProxyVolumes, err)
	}
	return data, err
}

// current is the content as it is now, from memory if by the look of it the file is the same as before.
func (f *files) current(name string) ([]byte, error) {
	root, err := os.OpenRoot(f.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if data := f.unchanged(name, info); data != nil {
		return data, nil
	}
	// A named pipe would hold up the connection at open.
	opened, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	read, err := readRegular(opened)
	if err != nil {
		return nil, err
	}
	f.keep(name, read)
	return read.data, nil
}

func (f *files) unchanged(name string, info fs.FileInfo) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.kept[name]; ok && sameFile(last.info, info) {
		return last.data
	}
	return nil
}

func (f *files) keep(name string, read file) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.kept[name]; !ok && len(f.kept) >= maxFiles {
		for other := range f.kept {
			delete(f.kept, other)
			break
		}
	}
	f.kept[name] = read
}

// readRegular reads a whole file, and fails when it is written to meanwhile.
func readRegular(opened *os.File) (file, error) {
	info, err := opened.Stat()
	if err != nil {
		return file{}, err
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("it is no regular file, but %s", info.Mode().Type())
	}
	data, err := io.ReadAll(io.LimitReader(opened, maxFile+1))
	if err != nil {
		return file{}, err
	}
	if len(data) > maxFile {
		return file{}, fmt.Errorf("it has more than the %d bytes that are allowed", maxFile)
	}
	if len(data) == 0 {
		return file{}, errors.New("the file is empty")
	}
	after, err := opened.Stat()
	if err != nil {
		return file{}, err
	}
	if !sameFile(info, after) {
		return file{}, errors.New("it is being written to: replace files by renaming")
	}
	return file{info: info, data: data}, nil
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
