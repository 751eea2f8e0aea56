package version

import (
	"runtime/debug"
	"testing"
)

func TestFromBuildInfo(t *testing.T) {
	setting := func(k, v string) debug.BuildSetting { return debug.BuildSetting{Key: k, Value: v} }
	tests := map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"a released module":           {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		"nothing known":               {debug.BuildInfo{}, "devel"},
		"a commit":                    {debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef")}}, "devel-0123456789ab"},
		"a commit with local changes": {debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.revision", "abc"), setting("vcs.modified", "true")}}, "devel-abc+dirty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := fromBuildInfo(&tt.info); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReleaseVersionWins(t *testing.T) {
	version = "v9.9.9"
	t.Cleanup(func() { version = "" })
	if got := String(); got != "v9.9.9" {
		t.Errorf("got %q", got)
	}
}
