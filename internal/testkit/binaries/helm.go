package binaries

import (
	"fmt"
	"os"
	"path/filepath"
)

// Helm is the program of that name. As with CertManager, only tests need it.
const Helm = "helm"

// FindHelm returns the path of the program after checking that it is there.
func FindHelm() (string, error) {
	folder, err := HelmFolder()
	if err != nil {
		return "", err
	}
	if !HasHelm(folder) {
		return "", fmt.Errorf("%w: no %s in %s; build it with \"make helm\"", ErrMissing, Helm, folder)
	}
	return filepath.Join(folder, Helm), nil
}

// HasHelm says that the program is in the folder.
func HasHelm(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, Helm))
	return err == nil && !info.IsDir()
}

// HelmFolder is a folder of the user's cache named after the version.
func HelmFolder() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	version, err := Version(root, "helm", "helm.sh/helm/v4")
	if err != nil {
		return "", err
	}
	return cached("helm-" + version)
}
