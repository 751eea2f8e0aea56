package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// annotationTag is by which readers of a layout find an image in it.
const annotationTag = "org.opencontainers.image.ref.name"

// writer writes images into a folder.
type writer struct {
	root   string // of the source
	folder string // absolute, or below the root
	out    io.Writer
}

// path is where a file of the image is, as people are told.
func (w writer) path(i *image, suffix string) string {
	return filepath.Join(w.folder, path.Base(i.name.RepositoryStr())+suffix)
}

func (w writer) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(w.root, path)
}

// archive writes the image as docker save does, which all that load archives read, and its bill of materials. One image is
// in an archive: of several the order would differ from time to time.
func (w writer) archive(i *image) error {
	architecture := i.binary.architecture()
	archive := w.path(i, "-"+architecture+".tar")
	digest, err := i.Digest()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(w.absolute(w.folder), 0o755); err != nil {
		return err
	}
	err = create(w.absolute(archive), func(file io.Writer) error { return tarball.Write(i.name, i, file) })
	if err != nil {
		return fmt.Errorf("writing the archive of %s: %w", i.name, err)
	}
	materials := w.path(i, "-"+architecture+".cdx.json")
	if err := create(w.absolute(materials), i.writeMaterials); err != nil {
		return fmt.Errorf("writing the bill of materials of %s: %w", i.name, err)
	}
	_, err = fmt.Fprintf(w.out, "%s %s %s %s\n", i.name, architecture, digest, archive)
	return err
}

// layout writes one image of several architectures.
func (w writer) layout(images []*image) error {
	var index v1.ImageIndex = empty.Index
	for _, i := range images {
		platform := &v1.Platform{OS: "linux", Architecture: i.binary.architecture()}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{Platform: platform}})
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	first := images[0]
	folder := w.path(first, "")
	if err := os.RemoveAll(w.absolute(folder)); err != nil { // blobs of a former image
		return err
	}
	tagged := v1.Descriptor{Annotations: map[string]string{annotationTag: first.name.TagStr()}}
	if _, err := layout.Write(w.absolute(folder), mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index, Descriptor: tagged})); err != nil {
		return fmt.Errorf("writing the layout of %s: %w", first.name, err)
	}
	_, err = fmt.Fprintf(w.out, "%s all %s %s\n", first.name, digest, folder)
	return err
}

func create(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
