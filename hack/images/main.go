// Command images makes container images of static programs, without a container runtime and without a registry.
//
//	go run -C hack/images . build [-arch LIST] [-version V] [-out FOLDER] [PROGRAM]…
//	    compiles Warifu's programs, and packs each for every architecture
//	go run -C hack/images . pack [-out FOLDER] NAME=PROGRAM…
//	    packs programs that are there, under full references with a tag
//
// Folders are meant from the root of the source. For each image there are then, in FOLDER,
//
//	NAME-ARCH.tar       an archive for docker load, podman load, ctr images import, kind load image-archive and k3s ctr images import
//	NAME-ARCH.cdx.json  what it is made of, as a CycloneDX document
//	NAME/               of build: an OCI layout with the image for all architectures, for crane push and skopeo copy
//
// and on the standard output a line of reference, architecture, digest and archive.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// sourceRoot is where the source begins, seen from this module's folder, in which the command runs.
const sourceRoot = "../.."

var errUsage = errors.New("usage: images build [-arch LIST] [-version V] [-out FOLDER] [PROGRAM]… | pack [-out FOLDER] NAME=PROGRAM…")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	architectures := flags.String("arch", "amd64,arm64", "GOARCHs, separated by commas")
	version := flags.String("version", "", "of a release, such as v0.1.0: what programs report, and the tag; else the tag is the chart's")
	folder := flags.String("out", filepath.Join("bin", "images"), "where to write")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	root, err := filepath.Abs(sourceRoot)
	if err != nil {
		return err
	}
	w := writer{root: root, folder: *folder, out: out}
	switch args[0] {
	case "build":
		return build(ctx, w, flags.Args(), options{
			root: root, version: *version, architectures: strings.Split(*architectures, ","),
		})
	case "pack":
		return pack(w, flags.Args())
	}
	return errUsage
}

// build compiles and packs the programs, or all that are published.
func build(ctx context.Context, w writer, names []string, o options) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	tag, err := o.tag()
	if err != nil {
		return err
	}
	for _, p := range chosen {
		var images []*image
		for _, architecture := range o.architectures {
			image, err := p.build(ctx, o, architecture, tag)
			if err != nil {
				return err
			}
			images = append(images, image)
			if err := w.archive(image); err != nil {
				return err
			}
		}
		if err := w.layout(images); err != nil {
			return err
		}
	}
	return nil
}

// pack makes images of programs that exist.
func pack(w writer, pairs []string) error {
	if len(pairs) == 0 {
		return errUsage
	}
	for _, pair := range pairs {
		name, path, ok := strings.Cut(pair, "=")
		if !ok {
			return errUsage
		}
		image, err := newImage(name, path, settings{User: nobody})
		if err != nil {
			return err
		}
		if err := w.archive(image); err != nil {
			return err
		}
	}
	return nil
}
