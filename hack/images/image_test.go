package main

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func (i *image) config(t *testing.T) *v1.ConfigFile {
	t.Helper()
	config, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestImageIsTheProgram: nothing else is in it, and it is not root's to run.
func TestImageIsTheProgram(t *testing.T) {
	image := builtProxy(t)
	config := image.config(t)
	if user := config.Config.User; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("the user is %q", user)
	}
	if len(config.History) != 1 || config.Created.Unix() != 0 || config.History[0].Created.Unix() != 0 {
		t.Errorf("the image is of %s, its history %+v", config.Created, config.History)
	}
	files := mutate.Extract(image)
	defer files.Close()
	r := tar.NewReader(files)
	header, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "warifu-proxy" || header.Mode != 0o755 || header.Uid != 0 || header.ModTime.Unix() != 0 {
		t.Errorf("the image has %s, mode %o, of %d, of %s", header.Name, header.Mode, header.Uid, header.ModTime)
	}
	if entry := config.Config.Entrypoint; len(entry) != 1 || entry[0] != "/"+header.Name {
		t.Errorf("the entry point is %v", entry)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != string(image.binary.data) {
		t.Errorf("the file is not the program: %d bytes, %v", len(data), err)
	}
	if header, err := r.Next(); err != io.EOF {
		t.Errorf("there is %v besides the program: %v", header, err)
	}
}

// TestMaterials: every module that was linked, and Go itself, with the addresses by which scanners look them up.
func TestMaterials(t *testing.T) {
	image := builtProxy(t)
	bom, err := image.materials()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]cdx.Component{}
	for _, c := range *bom.Components {
		if _, twice := seen[c.BOMRef]; twice {
			t.Errorf("%s comes twice", c.BOMRef)
		}
		seen[c.BOMRef] = c
	}
	if want := len(image.binary.info.Deps) + 2; len(seen) != want {
		t.Errorf("%d components, want %d", len(seen), want)
	}
	if got := seen["file:/warifu-proxy"].PackageURL; got != "pkg:golang/github.com/warifu/warifu@"+release {
		t.Errorf("the program is %s", got)
	}
	if _, ok := seen["pkg:golang/std@"+strings.TrimPrefix(image.binary.info.GoVersion, "go")]; !ok {
		t.Error("the standard library is missing")
	}
	if purl := bom.Metadata.Component.PackageURL; !strings.Contains(purl, digest(t, image)) {
		t.Errorf("the document is about %s", purl)
	}
	for _, dependency := range *bom.Dependencies {
		for _, ref := range *dependency.Dependencies {
			if _, ok := seen[ref]; !ok {
				t.Errorf("%s depends on %s, which is not there", dependency.Ref, ref)
			}
		}
	}
	for ref, c := range seen {
		if strings.Contains(ref, "/klog@") && (c.Hashes == nil || c.PackageURL != ref) {
			t.Errorf("%+v has no hash", c)
		}
	}
}

func TestWhatIsNoImage(t *testing.T) {
	static := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(static, builtProxy(t).binary.data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ reference, path, want string }{
		"no tag":               {"ghcr.io/warifu/proxy", static, "full reference"},
		"the port is no tag":   {"registry:5000/proxy", static, "full reference"},
		"no registry":          {"proxy:1", static, "full reference"},
		"no name":              {"", static, "full reference"},
		"linked dynamically":   {"ghcr.io/warifu/sh:1", "/bin/sh", "linked dynamically"},
		"no program":           {"ghcr.io/warifu/x:1", "main.go", "no program for Linux"},
		"no program, anywhere": {"ghcr.io/warifu/x:1", filepath.Join(t.TempDir(), "none"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newImage(tc.reference, tc.path, settings{User: nobody}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := newImage("ghcr.io/warifu/proxy:1", static, settings{User: nobody}); err != nil {
		t.Errorf("a good one is refused: %v", err)
	}
}
