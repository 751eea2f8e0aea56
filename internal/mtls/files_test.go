package mtls

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/pki"
)

func write(t testing.TB, dir string, f pki.Files) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"tls.crt": f.Cert, "tls.key": f.Key, "ca.crt": f.CA} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// publish does what kubelet does: a new directory, then the symlink in one step.
func publish(t testing.TB, dir, generation string, f pki.Files) {
	t.Helper()
	write(t, filepath.Join(dir, generation), f)
	link := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(generation, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(dir, dataLink)); err != nil {
		t.Fatal(err)
	}
	for _, name := range fileNames {
		_ = os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name))
	}
}

func serial(t testing.TB, s Source) string {
	t.Helper()
	m, err := s.Material()
	if err != nil {
		t.Fatal(err)
	}
	return m.Certificate.Leaf.SerialNumber.String()
}

func TestFileSourceFollowsTheSwap(t *testing.T) {
	ca, dir := newCA(t), t.TempDir()
	publish(t, dir, "..1", ca.files(t, template(cartID)))
	var reports []error
	source, err := NewFileSource(dir, func(err error) { reports = append(reports, err) })
	if err != nil {
		t.Fatal(err)
	}
	first := serial(t, source)
	if serial(t, source) != first {
		t.Error("material changed by itself")
	}
	publish(t, dir, "..2", ca.files(t, template(cartID)))
	if serial(t, source) == first {
		t.Error("a swap of the directory is not seen")
	}
	if len(reports) != 0 {
		t.Errorf("reports: %v", reports)
	}
}

func TestFileSourceFollowsPlainFiles(t *testing.T) {
	ca, dir := newCA(t), t.TempDir()
	write(t, dir, ca.files(t, template(cartID)))
	source, err := NewFileSource(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := serial(t, source)
	write(t, dir, ca.files(t, template(payID)))
	if serial(t, source) == first {
		t.Error("replaced files are not seen")
	}
}

// TestFileSourceKeepsWhatWasGood: whatever breaks, the last good material stays and the error is told once.
func TestFileSourceKeepsWhatWasGood(t *testing.T) {
	ca := newCA(t)
	good := ca.files(t, template(cartID))
	other := ca.files(t, template(cartID))
	breakages := map[string]struct {
		breakIt func(t *testing.T, dir string)
		want    string
	}{
		"missing CA file": {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "ca.crt")) }, "ca.crt"},
		"missing key":     {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "tls.key")) }, "tls.key"},
		"empty CA file":   {func(t *testing.T, dir string) { write(t, dir, pki.Files{Cert: other.Cert, Key: other.Key}) }, "no certificate"},
		"garbled CA file": {func(t *testing.T, dir string) {
			write(t, dir, pki.Files{Cert: other.Cert, Key: other.Key, CA: []byte("x")})
		}, "no certificate"},
		"key of another": {func(t *testing.T, dir string) {
			write(t, dir, pki.Files{Cert: good.Cert, Key: other.Key, CA: good.CA})
		}, "private key does not match"},
	}
	for name, test := range breakages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, good)
			var reports []error
			source, err := NewFileSource(dir, func(err error) { reports = append(reports, err) })
			if err != nil {
				t.Fatal(err)
			}
			before := serial(t, source)
			test.breakIt(t, dir)
			for range 3 {
				if serial(t, source) != before {
					t.Fatal("the good material is gone")
				}
			}
			if len(reports) != 1 || reports[0] == nil || !strings.Contains(reports[0].Error(), test.want) {
				t.Fatalf("reports: %v, want one with %q", reports, test.want)
			}
			write(t, dir, other)
			if serial(t, source) == before {
				t.Error("no recovery")
			}
			if len(reports) != 2 || reports[1] != nil {
				t.Errorf("recovery is not told: %v", reports)
			}
		})
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestFileSourceRefusesToStartWithout(t *testing.T) {
	ca := newCA(t)
	good := ca.files(t, template(cartID))
	if _, err := NewFileSource(filepath.Join(t.TempDir(), "nowhere"), nil); err == nil {
		t.Error("starts without a directory")
	}
	for _, name := range fileNames {
		dir := t.TempDir()
		write(t, dir, good)
		remove(t, filepath.Join(dir, name))
		if _, err := NewFileSource(dir, nil); err == nil {
			t.Errorf("starts without %s", name)
		}
	}
}

// BenchmarkFileSource is what a handshake pays for following the files.
func BenchmarkFileSource(b *testing.B) {
	ca, dir := newCA(b), b.TempDir()
	publish(b, dir, "..1", ca.files(b, template(cartID)))
	source, err := NewFileSource(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := source.Material(); err != nil {
			b.Fatal(err)
		}
	}
}
