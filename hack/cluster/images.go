package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/warifu/warifu/hack/images/build"
	"github.com/warifu/warifu/hack/images/oci"
)

// buildImages builds the images that a cluster needs into one archive below bin/, and returns its path and what is in it.
func buildImages(ctx context.Context, s *steps, root, architecture string) (archive string, names []string, err error) {
	archive = filepath.Join(root, "bin", "images", "warifu-"+architecture+".tar")
	tag, err := build.ChartTag(root)
	if err != nil {
		return "", nil, err
	}
	var images []*oci.Image
	for _, program := range []build.Program{build.Operator, build.Proxy, build.Hello} {
		err := s.do("Building the image of "+program.Binary, func() error {
			image, err := build.Image(ctx, program, build.Options{Root: root, Architecture: architecture, Tag: tag})
			if err == nil {
				images, names = append(images, image), append(names, image.Name)
			}
			return err
		})
		if err != nil {
			return "", nil, err
		}
	}
	return archive, names, writeArchive(archive, images...)
}

func writeArchive(path string, images ...*oci.Image) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(oci.Write(file, images...), file.Close())
}
