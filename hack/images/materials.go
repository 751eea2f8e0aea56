package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"path"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"
)

// writeMaterials writes what the image is made of, as the Go linker recorded it in the program. It has no time and no
// random number, so that it is reproducible as the image is.
func (i *image) writeMaterials(out io.Writer) error {
	materials, err := i.materials()
	if err != nil {
		return err
	}
	encoder := cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	return encoder.EncodeVersion(materials, cdx.SpecVersion1_6)
}

func (i *image) materials() (*cdx.BOM, error) {
	own, err := i.component()
	if err != nil {
		return nil, err
	}
	file := i.program()
	components := []cdx.Component{file, module("std", strings.TrimPrefix(i.binary.info.GoVersion, "go"), "")}
	for _, dependency := range i.binary.info.Deps {
		used := cmp.Or(dependency.Replace, dependency)
		components = append(components, module(used.Path, used.Version, used.Sum))
	}
	var linked []string
	for _, c := range components[1:] {
		linked = append(linked, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &own}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: own.BOMRef, Dependencies: &[]string{file.BOMRef}}, {Ref: file.BOMRef, Dependencies: &linked}}
	return bom, nil
}

// component is the image itself.
func (i *image) component() (cdx.Component, error) {
	digest, err := i.Digest()
	if err != nil {
		return cdx.Component{}, err
	}
	repository := i.name.Repository.String()
	qualifiers := packageurl.QualifiersFromMap(map[string]string{
		"arch": i.binary.architecture(), "repository_url": repository, "tag": i.name.TagStr(),
	})
	purl := packageurl.NewPackageURL(packageurl.TypeOCI, "", path.Base(repository), digest.String(), qualifiers, "").ToString()
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeContainer, Name: repository, Version: i.name.TagStr(), PackageURL: purl}, nil
}

// program is the file in the image.
func (i *image) program() cdx.Component {
	sum := sha256.Sum256(i.binary.data)
	main := i.binary.info.Main
	if main.Version == "(devel)" { // built without git, as releases are
		main.Version = "v" + strings.TrimPrefix(i.name.TagStr(), "v")
	}
	c := module(main.Path, main.Version, "")
	c.Type, c.BOMRef, c.Name = cdx.ComponentTypeApplication, "file:/"+i.binary.name, i.binary.name
	c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	c.Properties = &[]cdx.Property{}
	for _, s := range i.binary.info.Settings {
		*c.Properties = append(*c.Properties, buildSetting(s))
	}
	return c
}

func buildSetting(s debug.BuildSetting) cdx.Property {
	return cdx.Property{Name: "go:build:" + s.Key, Value: s.Value}
}

// module is a Go module, or its standard library under the name by which databases of vulnerabilities know it.
func module(name, version, sum string) cdx.Component {
	namespace, base := path.Split(name)
	purl := packageurl.NewPackageURL(packageurl.TypeGolang, strings.TrimSuffix(namespace, "/"), base, version, nil, "").ToString()
	c := cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl}
	if hash, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(hash) == sha256.Size {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(hash)}}
	}
	return c
}
