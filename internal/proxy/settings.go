package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Settings are what a proxy is told by its pod: the environment that the injector wrote.
type Settings struct {
	// Identity is what the workload is to prove.
	Identity identity.ID
	// ControlAddress is host:port of the control API, ControlIdentity the only one that may answer there.
	ControlAddress  string
	ControlIdentity identity.ID
	// Namespace, Name and UID of the pod.
	Namespace, Name, UID string
	// Probes are the application's own, for which the proxy answers.
	Probes proxyconfig.Probes
	// Root is the folder of everything that is mounted: naming.SecretsDir.
	Root string
}

// SettingsFrom reads the environment. The error names every variable that is missing or wrong.
func SettingsFrom(getenv func(string) string) (Settings, error) {
	s := Settings{Root: naming.SecretsDir}
	var problems []error
	text := func(name string) string {
		value := getenv(name)
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is not set: the injector sets it; was the pod's spec edited?", name))
		}
		return value
	}
	id := func(name string) identity.ID {
		value := text(name)
		if value == "" {
			return identity.ID{}
		}
		parsed, err := identity.Parse(value)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		return parsed
	}
	s.Identity = id(naming.EnvIdentity)
	s.ControlIdentity = id(naming.EnvControlIdentity)
	s.Namespace, s.Name, s.UID = text(naming.EnvPodNamespace), text(naming.EnvPodName), text(naming.EnvPodUID)
	if s.ControlAddress = text(naming.EnvControlAddress); s.ControlAddress != "" {
		if _, _, err := net.SplitHostPort(s.ControlAddress); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", naming.EnvControlAddress, err))
		}
	}
	if probes := getenv(naming.EnvProbes); probes != "" {
		if err := json.Unmarshal([]byte(probes), &s.Probes); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", naming.EnvProbes, err))
		}
	}
	return s, errors.Join(problems...)
}

// at is the place of one of the vocabulary's folders under Root.
func (s Settings) at(dir string) string {
	below, err := filepath.Rel(naming.SecretsDir, dir)
	if err != nil {
		panic(err) // both are constants
	}
	return filepath.Join(s.Root, below)
}
