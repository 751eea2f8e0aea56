package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
)

// binary is a program that needs no other file.
type binary struct {
	name string // of the file
	data []byte
	info *debug.BuildInfo
}

// readBinary refuses what could not run alone in an image.
func readBinary(path string) (*binary, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	program, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s is no program for Linux: %w", path, err)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			return nil, fmt.Errorf("%s is linked dynamically, and its libraries are not in an empty image: build it with CGO_ENABLED=0", path)
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s does not say what it is made of: %w", path, err)
	}
	return &binary{name: filepath.Base(path), data: data, info: info}, nil
}

// architecture is the GOARCH.
func (b *binary) architecture() string {
	for _, setting := range b.info.Settings {
		if setting.Key == "GOARCH" {
			return setting.Value
		}
	}
	return ""
}
