package oci

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// annotations by which importers find the name of an image.
const (
	annotationName = "io.containerd.image.name"
	annotationTag  = "org.opencontainers.image.ref.name"
)

// legacy is an entry of manifest.json, which docker load reads where it does not read OCI layouts.
type legacy struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write writes an archive of the images: an OCI layout that is an archive of docker save at the same time.
func Write(out io.Writer, images ...*Image) error {
	w := tar.NewWriter(out)
	index := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}{SchemaVersion: 2, MediaType: typeIndex}
	var old []legacy
	written := map[string]bool{}
	for _, image := range images {
		repository, tag, ok := cutTag(image.Name)
		if !ok {
			return fmt.Errorf("the name of image %q has no tag", image.Name)
		}
		layer, configuration, manifest, err := image.blobs()
		if err != nil {
			return err
		}
		for _, b := range []blob{layer, configuration, manifest} {
			if written[b.Digest] {
				continue // two images of one program
			}
			written[b.Digest] = true
			if err := add(w, b.path(), 0o644, b.data); err != nil {
				return fmt.Errorf("writing %s: %w", image.Name, err)
			}
		}
		manifest.Annotations = map[string]string{annotationName: image.Name, annotationTag: tag}
		index.Manifests = append(index.Manifests, manifest.descriptor)
		old = append(old, legacy{Config: configuration.path(), RepoTags: []string{repository + ":" + tag}, Layers: []string{layer.path()}})
	}
	return errors.Join(
		addJSON(w, "index.json", index),
		addJSON(w, "manifest.json", old),
		addJSON(w, "oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}),
		w.Close(),
	)
}

func (b blob) path() string { return "blobs/sha256/" + strings.TrimPrefix(b.Digest, "sha256:") }

// cutTag splits a reference; the colon of a port is none of a tag.
func cutTag(name string) (repository, tag string, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.Contains(name[i:], "/") {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

func addJSON(w *tar.Writer, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return add(w, name, 0o644, data)
}
