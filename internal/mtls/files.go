package mtls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/warifu/warifu/internal/naming"
)

// dataLink is the symlink that kubelet swaps when it updates a mounted volume: all files change together.
const dataLink = "..data"

// FileSource is the material in a directory with tls.crt, tls.key and ca.crt, such as naming.TLSDir. Every call looks, by
// stat, whether the files were replaced. What cannot be read does not displace what was good: the last good material is
// kept and the error reported.
type FileSource struct {
	dir    string
	report func(error)

	mu       sync.Mutex
	material *Material
	loaded   stamp
	problem  string
}

// NewFileSource reads the directory and fails where it has no usable material. report is told of later reloads that
// failed, once for each different error, and with nil when one succeeds again; it must not block, and may be nil.
func NewFileSource(dir string, report func(error)) (*FileSource, error) {
	if report == nil {
		report = func(error) {}
	}
	s := &FileSource{dir: dir, report: report}
	if err := s.reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Material is the current material, read again if the files have changed.
func (s *FileSource) Material() (*Material, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, err := stampOf(s.dir); err == nil && now == s.loaded {
		return s.material, nil
	}
	problem := ""
	err := s.reload()
	if err != nil {
		problem = err.Error()
	}
	if problem != s.problem {
		s.problem = problem
		s.report(err)
	}
	return s.material, nil
}

// reload reads all three files from one directory, the one that the symlink names at the start, so that a certificate
// never meets the key of another generation.
func (s *FileSource) reload() error {
	before, err := stampOf(s.dir)
	if err != nil {
		return fmt.Errorf("TLS material: %w", err)
	}
	material, err := readMaterial(filepath.Join(s.dir, before.link))
	if err != nil {
		return fmt.Errorf("TLS material in %s: %w", s.dir, err)
	}
	after, err := stampOf(s.dir)
	if err != nil {
		return fmt.Errorf("TLS material: %w", err)
	}
	s.material = material
	if before == after {
		s.loaded = before // otherwise the files changed under our hands: look again next time
	}
	return nil
}

func readMaterial(dir string) (*Material, error) {
	files := map[string][]byte{}
	for _, name := range fileNames {
		data, err := readBounded(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return ParseMaterial(files[naming.FileCert], files[naming.FileKey], files[naming.FileCA])
}

// ParseMaterial makes material of PEM data: the certificate with its intermediates, its key, and the roots to trust.
func ParseMaterial(certPEM, keyPEM, rootsPEM []byte) (*Material, error) {
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	bundle, err := ParseBundle(rootsPEM)
	if err != nil {
		return nil, err
	}
	return &Material{Certificate: &certificate, Bundle: bundle}, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBundle {
		return nil, fmt.Errorf("%s has %d bytes: at most %d are allowed", path, info.Size(), maxBundle)
	}
	return os.ReadFile(path)
}

var fileNames = [...]string{naming.FileCert, naming.FileKey, naming.FileCA}

// stamp tells two states of the directory apart without reading the files.
type stamp struct {
	link  string // target of ..data, "" where there is none
	files [len(fileNames)]fileStamp
}

type fileStamp struct {
	modified int64 // nanoseconds
	size     int64
}

func stampOf(dir string) (stamp, error) {
	var s stamp
	link, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s.link = link
	for i, name := range fileNames {
		info, err := os.Stat(filepath.Join(dir, link, name))
		if err != nil {
			return s, err
		}
		s.files[i] = fileStamp{modified: info.ModTime().UnixNano(), size: info.Size()}
	}
	return s, nil
}
