package binaries

import (
	"fmt"
	"os"
	"path/filepath"
)

// CertManager is the program that runs cert-manager's own controllers (hack/binaries/certmanager). It is no part of the
// control plane: EnvAssets does not concern it, and only tests need it.
const CertManager = "certmanager"

// FolderCRDs is the folder next to the program with the CRDs of the same version.
const FolderCRDs = "crds"

// FindCertManager returns the folder of the program CertManager and of its CRDs after checking that they are there.
func FindCertManager() (string, error) {
	folder, err := CertManagerFolder()
	if err != nil {
		return "", err
	}
	if !HasCertManager(folder) {
		return "", fmt.Errorf("%w: no %s in %s; build it with \"make cert-manager\"", ErrMissing, CertManager, folder)
	}
	return folder, nil
}

// HasCertManager says that the folder is complete. The program is built last.
func HasCertManager(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, CertManager))
	return err == nil && !info.IsDir()
}

// CertManagerFolder is a folder of the user's cache named after cert-manager's version and the program around it, which is
// our own and may change while the version stays.
func CertManagerFolder() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	version, err := Version(root, "certmanager", "github.com/cert-manager/cert-manager")
	if err != nil {
		return "", err
	}
	sources, err := digest(root, "hack/binaries/certmanager/main.go", "hack/binaries/certmanager/go.sum")
	if err != nil {
		return "", err
	}
	return cached(fmt.Sprintf("cert-manager-%s-%s", version, sources))
}
