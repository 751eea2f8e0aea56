// Command app is an application that does mutual TLS itself (data plane none). It knows nothing but what the injector gives
// to its container: the files, the modes and the environment.
//
//	app -root DIR serve                 prints the address it listens on, then one line for each connection
//	app -root DIR call ADDRESS PEER     prints what it got; PEER is the SPIFFE ID it insists on
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
)

// root is the container's root folder: without a container runtime, / is not.
var root = flag.String("root", "/", "root folder of the container")

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 3 && args[0] == "call":
		return call(args[1], args[2])
	}
	return errors.New("usage: app [-root DIR] serve | call ADDRESS PEER")
}

// material is read from the folder in which the injected environment says the files are, again when they change.
func material() (*mtls.FileSource, error) {
	path := os.Getenv(naming.EnvTLSCert)
	if path == "" {
		return nil, fmt.Errorf("%s is not set: was the pod injected?", naming.EnvTLSCert)
	}
	return mtls.NewFileSource(filepath.Join(*root, filepath.Dir(path)), nil)
}

// mode is the content of a mode file, which follows policy changes, and the environment's value without one.
func mode(file, env string) string {
	if text, err := os.ReadFile(filepath.Join(*root, naming.ModeDir, file)); err == nil {
		return string(bytes.TrimSpace(text))
	}
	return os.Getenv(env)
}
