package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// settings are what an image says besides its program.
type settings struct {
	// User is numeric, so that Kubernetes can tell that it is not root, and needs no /etc/passwd.
	User        string
	Description string
	Version     string // of a release
}

// labels are those of the image-spec; the Dockerfile gives the same.
func (s settings) labels() map[string]string {
	if s.Description == "" { // not Warifu's
		return nil
	}
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "description": s.Description,
		prefix + "licenses":    "Apache-2.0",
		prefix + "source":      "https://github.com/warifu/warifu",
		prefix + "version":     s.Version,
	}
}

// image is an image that has one file.
type image struct {
	v1.Image
	name   name.Tag
	binary *binary
}

// newImage packs the program at a path. The same program makes the same bytes.
func newImage(reference, path string, s settings) (*image, error) {
	// Strict: what is short for Docker is not for others, and what has no tag is the latest for some.
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("an image needs a full reference, such as ghcr.io/warifu/operator:0.1.0: %w", err)
	}
	b, err := readBinary(path)
	if err != nil {
		return nil, err
	}
	layer, err := b.layer()
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", path, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: time.Unix(0, 0).UTC()}
	layered, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "hack/images"}})
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", path, err)
	}
	config, err := layered.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", path, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", b.architecture()
	config.Created = created
	config.Config = v1.Config{User: s.User, Entrypoint: []string{"/" + b.name}, Labels: s.labels()}
	whole, err := mutate.ConfigFile(layered, config)
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", path, err)
	}
	return &image{Image: whole, name: tag, binary: b}, nil
}

// layer has the program, root's and of the beginning of time.
func (b *binary) layer() (v1.Layer, error) {
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: b.name, Mode: 0o755, Size: int64(len(b.data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(b.data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
