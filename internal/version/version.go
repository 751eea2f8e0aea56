// Package version says which Warifu this is.
package version

import "runtime/debug"

// version is set by the release build: -ldflags "-X github.com/warifu/warifu/internal/version.version=v0.1.0".
var version string

// String is the release version; without one what the Go toolchain recorded: the module version, or "devel" with the
// commit.
func String() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return fromBuildInfo(info)
}

// fromBuildInfo prefers a real module version over the commit.
func fromBuildInfo(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = "-" + s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	return "devel" + revision + dirty
}
