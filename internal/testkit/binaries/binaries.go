// Package binaries says where the programs of the Kubernetes control plane are that tests and the demo start. hack/binaries
// builds them into the same folder.
package binaries

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// The programs.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Kubectl           = "kubectl"
)

// Programs are the names of all of them.
func Programs() []string { return []string{Etcd, APIServer, ControllerManager, Kubectl} }

// EnvAssets is the environment variable that names a folder with all the programs, by the convention of envtest. When it
// is set, Find looks at nothing else; "make" builds what it lacks.
const EnvAssets = "KUBEBUILDER_ASSETS"

// ErrMissing is what Find returns, wrapped, when a program is not there.
var ErrMissing = errors.New("control plane binaries are missing")

// Find returns the folder of the programs after checking that all of them are there.
func Find() (string, error) {
	folder, err := Folder()
	if err != nil {
		return "", err
	}
	missing := Missing(folder)
	if len(missing) == 0 {
		return folder, nil
	}
	wayOut := `build them with "make binaries"`
	if os.Getenv(EnvAssets) != "" {
		wayOut = fmt.Sprintf("run make, which builds what is missing, or unset %s and build all with \"make binaries\"", EnvAssets)
	}
	return "", fmt.Errorf("%w: no %s in %s; %s", ErrMissing, strings.Join(missing, ", "), folder, wayOut)
}

// Folder is where the programs belong: EnvAssets when it is set, the cache otherwise.
func Folder() (string, error) {
	if folder := os.Getenv(EnvAssets); folder != "" {
		return filepath.Abs(folder)
	}
	return CacheFolder()
}

// CacheFolder is a folder of the user's cache named after the versions, so that a new version is built and an old one
// still serves an older commit.
func CacheFolder() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	kubernetes, err := Version(root, "kubernetes", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	etcd, err := Version(root, "etcd", "go.etcd.io/etcd/server/v3")
	if err != nil {
		return "", err
	}
	return cached(fmt.Sprintf("kubernetes-%s-etcd-%s", kubernetes, etcd))
}

// cached is a folder of the user's cache for programs of this machine's kind.
func cached(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return filepath.Join(cache, "warifu", fmt.Sprintf("%s-%s-%s", name, runtime.GOOS, runtime.GOARCH)), nil
}

// digest tells versions of files apart, which are named from the root of the source.
func digest(root string, files ...string) (string, error) {
	all := sha256.New()
	for _, name := range files {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", fmt.Errorf("reading what is to be built: %w", err)
		}
		all.Write(source)
	}
	return hex.EncodeToString(all.Sum(nil)[:4]), nil
}

// Missing returns the programs that are not in the folder.
func Missing(folder string) []string { return missingOf(folder, Programs()) }

func missingOf(folder string, programs []string) []string {
	var missing []string
	for _, name := range programs {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.IsDir() {
			missing = append(missing, name)
		}
	}
	return missing
}

// Version reads which version of a Go module the build module hack/binaries/<build> pins. go.mod is the only place
// where versions stand.
func Version(root, build, module string) (string, error) {
	path := filepath.Join(root, "hack", "binaries", build, "go.mod")
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading pinned versions: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "require "))
		if len(fields) >= 2 && fields[0] == module {
			return fields[1], nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return "", fmt.Errorf("%s does not require %s", path, module)
}

// ModuleRoot is the root of Warifu's source, found upwards from the working directory: tests run in the folder of their
// package.
func ModuleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the source tree: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "hack", "binaries", "kubernetes", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside Warifu's source tree", start)
		}
	}
}
