package certs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

func TestFilesStayInTheVolumes(t *testing.T) {
	v := newVolume(t)
	outside := filepath.Join(filepath.Dir(v.folder), "tls.key")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.put(t, "ca.crt", []byte("data"))
	v.put(t, "big", bytes.Repeat([]byte("x"), maxFile+1))
	link := func(name, target string) {
		if err := os.Symlink(target, v.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	link("within", "ca.crt")
	link("across", "../db/ca.crt")
	link("relative", "../../tls.key")
	link("absolute", outside)
	link("absolute-inside", v.path("ca.crt"))
	link("parent", "../..")
	link("loop", "loop")
	if err := syscall.Mkfifo(v.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{ // path in the rule: "" or what the error says
		named("ca.crt"):                   "",
		named("within"):                   "",
		named("across"):                   "",
		named("relative"):                 "escapes",
		named("absolute"):                 "escapes",
		named("absolute-inside"):          "escapes",
		named("parent/tls.key"):           "escapes",
		named("../../tls.key"):            "only files of its volumes",
		named("./ca.crt"):                 "only files of its volumes",
		outside:                           "only files of its volumes",
		naming.TLSDir + "/tls.key":        "only files of its volumes",
		naming.VolumesDir + "x/db/ca.crt": "only files of its volumes",
		naming.VolumesDir:                 "only files of its volumes",
		"db/ca.crt":                       "only files of its volumes",
		"":                                "only files of its volumes",
		naming.VolumesDir + "/db":         "no regular file",
		named("pipe"):                     "no regular file",
		named("loop"):                     "too many",
		named("big"):                      "more than",
		named("nothing"):                  "no such file",
	}
	files := newFiles(v.folder)
	for name, want := range tests {
		data, err := files.read(name)
		switch {
		case want == "" && (err != nil || string(data) != "data"):
			t.Errorf("%s: %q, %v", name, data, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %q, %v, want %q", name, data, err, want)
		}
	}
}

// TestFilesFollowKubelet: a volume's files are links through ..data, which is swapped.
func TestFilesFollowKubelet(t *testing.T) {
	v := newVolume(t)
	publish := func(generation, data string) {
		if err := os.MkdirAll(v.path(generation), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(v.path(generation+"/ca.crt"), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(generation, v.path("..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(v.path("..tmp"), v.path("..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", "one")
	if err := os.Symlink("..data/ca.crt", v.path("ca.crt")); err != nil {
		t.Fatal(err)
	}
	files := newFiles(v.folder)
	for _, generation := range []string{"one", "two", "six"} { // of one size
		publish(".."+generation, generation)
		for range 2 {
			if data, err := files.read(named("ca.crt")); err != nil || string(data) != generation {
				t.Fatalf("%q, %v, want %s", data, err, generation)
			}
		}
	}
}
