package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// made is an image that was made, and the archive that it is in.
type made struct{ name, archive string }

// buildImages builds the images that a cluster needs, into archives below bin/.
func buildImages(ctx context.Context, s *steps, root, architecture string) (images []made, err error) {
	err = s.do("Building the images", func() error {
		images, err = makeImages(ctx, root, "build", "-arch", architecture, "-out", filepath.Join(root, "bin", "cluster"),
			"warifu-operator", "warifu-proxy", "hello")
		return err
	})
	return images, err
}

// makeImages runs hack/images, which is a module of its own, and reads what it says: reference, architecture, digest, archive.
func makeImages(ctx context.Context, root string, args ...string) ([]made, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"run", "-C", filepath.Join(root, "hack", "images"), "."}, args...)...)
	command.Env = append(os.Environ(), "GOOS=", "GOARCH=") // it runs here, whatever it builds for
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("making images: %w", err)
	}
	var images []made
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 4 {
			return nil, fmt.Errorf("hack/images says %q", line)
		}
		if strings.HasSuffix(fields[3], ".tar") {
			images = append(images, made{name: fields[0], archive: fields[3]})
		}
	}
	return images, nil
}

// names of the images, for people.
func names(images []made) string {
	var all []string
	for _, image := range images {
		all = append(all, image.name)
	}
	return strings.Join(all, ", ")
}
