package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"
)

// Image is an image for Linux whose file system holds these files and nothing else.
type Image struct {
	// Name is the full reference, such as ghcr.io/warifu/operator:0.1.0: what is short for Docker is not for others.
	Name         string
	Architecture string // GOARCH
	Files        []File
	Entrypoint   []string
	// User is numeric, so that Kubernetes can tell that it is not root, and needs no /etc/passwd.
	User   string
	Labels map[string]string
}

// File is a regular file; the folders above it are made.
type File struct {
	Path string // from the root, without the slash
	Mode fs.FileMode
	Data []byte
}

const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// descriptor says what a blob is.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type config struct {
	platform
	Created time.Time `json:"created"`
	Config  struct {
		User       string            `json:"User,omitempty"`
		Entrypoint []string          `json:"Entrypoint,omitempty"`
		Labels     map[string]string `json:"Labels,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// blob is content that is known by its digest.
type blob struct {
	descriptor
	data []byte
}

func newBlob(mediaType string, data []byte) blob {
	sum := sha256.Sum256(data)
	return blob{data: data, descriptor: descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: len(data)}}
}

func jsonBlob(mediaType string, value any) (blob, error) {
	data, err := json.Marshal(value)
	return newBlob(mediaType, data), err
}

// blobs are those of the image: layer, configuration, manifest.
func (i *Image) blobs() (layer, configuration, image blob, err error) {
	files, err := i.layer()
	if err != nil {
		return layer, configuration, image, fmt.Errorf("packing %s: %w", i.Name, err)
	}
	layer = newBlob(typeLayer, files)
	c := config{platform: platform{Architecture: i.Architecture, OS: "linux"}, Created: time.Unix(0, 0).UTC()}
	c.Config.User, c.Config.Entrypoint, c.Config.Labels = i.User, i.Entrypoint, i.Labels
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{layer.Digest}
	if configuration, err = jsonBlob(typeConfig, c); err != nil {
		return layer, configuration, image, err
	}
	image, err = jsonBlob(typeManifest, manifest{
		SchemaVersion: 2, MediaType: typeManifest, Config: configuration.descriptor, Layers: []descriptor{layer.descriptor},
	})
	image.Platform = &c.platform
	return layer, configuration, image, err
}

// layer is a tar of the files, all of them root's and of the beginning of time.
func (i *Image) layer() ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := map[string]bool{}
	for _, file := range i.Files {
		for end := 0; end < len(file.Path); end++ {
			if folder := file.Path[:end+1]; file.Path[end] == '/' && !made[folder] {
				made[folder] = true
				if err := add(w, folder, fs.ModeDir|0o755, nil); err != nil {
					return nil, err
				}
			}
		}
		if err := add(w, file.Path, file.Mode, file.Data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func add(w *tar.Writer, name string, mode fs.FileMode, data []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: int64(len(data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if mode.IsDir() {
		header.Typeflag = tar.TypeDir
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
