package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// release is one that was never made.
const release = "v9.8.7"

// proxy is the image of the smallest published program, built once.
var proxy = sync.OnceValues(func() (*image, error) { return buildProxy(context.Background(), sourceRoot) })

func buildProxy(ctx context.Context, root string) (*image, error) {
	o := options{root: root, version: release}
	tag, err := o.tag()
	if err != nil {
		return nil, err
	}
	return programs[1].build(ctx, o, runtime.GOARCH, tag)
}

func builtProxy(t *testing.T) *image {
	t.Helper()
	image, err := proxy()
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func digest(t *testing.T, i interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	digest, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func source(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sourceRoot, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestTheSameSourceMakesTheSameImage: from another folder too, and without git's.
func TestTheSameSourceMakesTheSameImage(t *testing.T) {
	elsewhere := t.TempDir()
	for _, part := range []string{"cmd/proxy", "internal"} {
		if err := os.CopyFS(filepath.Join(elsewhere, part), os.DirFS(filepath.Join(sourceRoot, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"Makefile", "go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(elsewhere, part), []byte(source(t, part)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := builtProxy(t)
	second, err := buildProxy(t.Context(), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := digest(t, first), digest(t, second); a != b {
		t.Errorf("the images of one source are %s and %s", a, b)
	}
	var materials [2]bytes.Buffer
	for n, i := range []*image{first, second} {
		if err := i.writeMaterials(&materials[n]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(materials[0].Bytes(), materials[1].Bytes()) {
		t.Error("the bills of materials of one source differ")
	}
}

// TestRelease: the program reports the version, the image has it as its tag, and the user is the one the injector counts on.
func TestRelease(t *testing.T) {
	image := builtProxy(t)
	if got := image.name.String(); got != "ghcr.io/warifu/proxy:9.8.7" {
		t.Errorf("the image is %s", got)
	}
	path := filepath.Join(t.TempDir(), "proxy")
	if err := os.WriteFile(path, image.binary.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), release) {
		t.Errorf("the program reports %q, %v; want %s", out, err, release)
	}
	uid := regexp.MustCompile(`const ProxyUID = (\d+)`).FindStringSubmatch(source(t, "internal/naming/pod.go"))
	if uid == nil || image.config(t).Config.User != uid[1]+":"+uid[1] {
		t.Errorf("the proxy runs as %s, and is injected to run as %v", image.config(t).Config.User, uid)
	}
}

// TestImagesAreThoseOfTheChart: after loading them, helm install needs no value.
func TestImagesAreThoseOfTheChart(t *testing.T) {
	values := source(t, "charts/warifu/values.yaml")
	for _, p := range programs[:2] {
		if !strings.Contains(values, "repository: "+p.repository+"\n") {
			t.Errorf("the chart does not use %s", p.repository)
		}
	}
	if tag, err := (options{root: sourceRoot}).tag(); err != nil || strings.Count(tag, ".") != 2 {
		t.Errorf("the tag of the chart is %q, %v", tag, err)
	}
}

// TestBuild builds a program for two architectures, and reads what was written as others do.
func TestBuild(t *testing.T) {
	folder := t.TempDir()
	var out strings.Builder
	if err := run(t.Context(), []string{"build", "-version", release, "-out", folder, "hello"}, &out); err != nil {
		t.Fatal(err)
	}
	path, err := layout.FromPath(filepath.Join(folder, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	top, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations[annotationTag] != "9.8.7" {
		t.Fatalf("the layout has %+v, want one index with the tag", top.Manifests)
	}
	index, err := outer.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for n, architecture := range []string{"amd64", "arm64"} {
		archived, err := tarball.ImageFromPath(filepath.Join(folder, "hello-"+architecture+".tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(archived); err != nil {
			t.Errorf("%s: %v", architecture, err)
		}
		found, err := index.Image(manifest.Manifests[n].Digest)
		if err != nil {
			t.Fatal(err)
		}
		one, _ := found.ConfigName()
		other, _ := archived.ConfigName()
		if manifest.Manifests[n].Platform.String() != "linux/"+architecture || one != other {
			t.Errorf("%s: the archive has %s, the layout %s for %s", architecture, other, one, manifest.Manifests[n].Platform)
		}
		if line := "localhost/warifu/hello:9.8.7 " + architecture + " " + digest(t, found); !strings.Contains(out.String(), line) {
			t.Errorf("the output lacks %q:\n%s", line, &out)
		}
	}
}

func TestWhatIsNotBuilt(t *testing.T) {
	for _, args := range []string{"", "push", "pack", "pack name", "build nonsense"} {
		if err := run(t.Context(), strings.Fields(args), t.Output()); err == nil {
			t.Errorf("images %s succeeded", args)
		}
	}
}
