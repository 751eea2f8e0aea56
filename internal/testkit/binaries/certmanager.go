package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
	sources := sha256.New()
	for _, name := range []string{"main.go", "go.sum"} {
		source, err := os.ReadFile(filepath.Join(root, "hack", "binaries", "certmanager", name))
		if err != nil {
			return "", fmt.Errorf("reading the program around cert-manager: %w", err)
		}
		sources.Write(source)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	name := fmt.Sprintf("cert-manager-%s-%s-%s-%s", version, hex.EncodeToString(sources.Sum(nil)[:4]), runtime.GOOS, runtime.GOARCH)
	return filepath.Join(cache, "warifu", name), nil
}
