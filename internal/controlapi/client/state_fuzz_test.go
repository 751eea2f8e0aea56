package client

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// FuzzState takes any bytes for the state of a former process. What a process takes in it can leave to the next, which takes in
// the same; and no configuration comes from it that this proxy would not understand.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"seen":{"Pod":5},"config":{"version":1,"identity":"x","trustDomains":["a"],"inbound":{"default":{"mode":"STRICT"}},"outbound":{},"telemetry":{"accessLogPercent":0}},` +
		`"addresses":[{"address":"192.0.2.1:80","known":true,"endpoints":[{"address":"[fd00::1]:443","tls":0}],"tls":[{"mode":"DISABLE"}]}]}`))
	f.Add([]byte(`{"seen":null,"config":{"version":2}}`))
	f.Add([]byte(`{"addresses":[{"address":"192.0.2.1:80","known":false},{"address":"192.0.2.1:80","known":true}]}`))
	f.Add([]byte(`{"addresses":[{"address":"","known":false}]}`))
	f.Add([]byte(`{} {"config":{}}`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, left []byte) {
		if err := os.WriteFile(filepath.Join(dir, stateFile), left, 0o600); err != nil {
			t.Fatal(err)
		}
		first := New(Options{StateDir: dir, Log: logr.Discard()})
		if config, _ := first.Config(); config != nil && (config.Version < 1 || config.Version > proxyconfig.SchemaVersion) {
			t.Fatalf("schema version %d is in force", config.Version)
		}
		if err := first.writeState(); err != nil {
			t.Fatalf("%q was taken in and cannot be left: %v", left, err)
		}
		second := New(Options{StateDir: dir, Log: logr.Discard()})
		a, _ := json.Marshal(first.snapshot())
		b, _ := json.Marshal(second.snapshot())
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			t.Fatalf("%q: the next process has taken in something else: %s", left, diff)
		}
	})
}
