package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example() *Image {
	return &Image{
		Name: "registry:5000/team/app:1", Architecture: "arm64", User: "65532:65532", Entrypoint: []string{"/bin/app"},
		Files: []File{{Path: "bin/app", Mode: 0o755, Data: []byte("program")}, {Path: "bin/other", Mode: 0o644, Data: []byte("data")}},
	}
}

// TestArchiveFollowsItsDigests reads an image as a runtime does: from the index by digests to the files.
func TestArchiveFollowsItsDigests(t *testing.T) {
	archive := read(t, write(t, example()))
	var index struct{ Manifests []descriptor }
	decode(t, archive["index.json"], &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("%d manifests", len(index.Manifests))
	}
	found := index.Manifests[0]
	want := map[string]string{annotationName: "registry:5000/team/app:1", annotationTag: "1"}
	if diff := cmp.Diff(want, found.Annotations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&platform{OS: "linux", Architecture: "arm64"}, found.Platform); diff != "" {
		t.Error(diff)
	}
	var m manifest
	decode(t, archive.blob(t, found), &m)
	var c config
	decode(t, archive.blob(t, m.Config), &c)
	if c.Config.User != "65532:65532" || !cmp.Equal(c.Config.Entrypoint, []string{"/bin/app"}) || c.Architecture != "arm64" {
		t.Errorf("configuration: %+v", c)
	}
	if len(m.Layers) != 1 || !cmp.Equal(c.RootFS.DiffIDs, []string{m.Layers[0].Digest}) {
		t.Fatalf("layers %v, diff ids %v", m.Layers, c.RootFS.DiffIDs)
	}
	files := read(t, archive.blob(t, m.Layers[0]))
	want = map[string]string{"bin/": "", "bin/app": "program", "bin/other": "data"}
	if diff := cmp.Diff(want, files.texts()); diff != "" {
		t.Error(diff)
	}

	var old []legacy
	decode(t, archive["manifest.json"], &old)
	if len(old) != 1 || !cmp.Equal(old[0].RepoTags, []string{"registry:5000/team/app:1"}) || archive[old[0].Config] == nil || archive[old[0].Layers[0]] == nil {
		t.Errorf("docker load would not find the image: %+v", old)
	}
}

func TestTheSameInputMakesTheSameBytes(t *testing.T) {
	if !bytes.Equal(write(t, example()), write(t, example())) {
		t.Error("two archives of one image differ")
	}
}

// TestImagesOfTheSameContent: a tar with a name twice is read differently by different programs.
func TestImagesOfTheSameContent(t *testing.T) {
	first, second := example(), example()
	second.Name = "registry:5000/team/app:2"
	var index struct{ Manifests []descriptor }
	decode(t, read(t, write(t, first, second))["index.json"], &index) // read fails on a name that comes twice
	if len(index.Manifests) != 2 || index.Manifests[0].Digest != index.Manifests[1].Digest {
		t.Errorf("manifests: %+v; want two names of one", index.Manifests)
	}
}

func TestNameWithoutTag(t *testing.T) {
	for _, name := range []string{"team/app", "registry:5000/app", ""} {
		image := example()
		image.Name = name
		if err := Write(io.Discard, image); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

type archive map[string][]byte

func (a archive) blob(t *testing.T, d descriptor) []byte {
	t.Helper()
	data := a["blobs/sha256/"+d.Digest[len("sha256:"):]]
	sum := sha256.Sum256(data)
	if "sha256:"+hex.EncodeToString(sum[:]) != d.Digest || len(data) != d.Size {
		t.Fatalf("%s: the archive has %d bytes of another digest", d.Digest, len(data))
	}
	return data
}

func (a archive) texts() map[string]string {
	all := map[string]string{}
	for name, data := range a {
		all[name] = string(data)
	}
	return all
}

func write(t *testing.T, images ...*Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, images...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t *testing.T, data []byte) archive {
	t.Helper()
	all := archive{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[header.Name]; twice {
			t.Fatalf("%s is there twice", header.Name)
		}
		if all[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func decode(t *testing.T, data []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
}
