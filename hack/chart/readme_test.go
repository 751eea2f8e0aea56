package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadValues(t *testing.T) {
	rows, err := readValues([]byte(`# About the file.

# How many.
replicas: 2
# The image.
image:
  # Where it is: here | there,
  # or nowhere.
  repository: a
  # Its tag.
  tag: ""
# All of it.
resources:
  limits: {cpu: 1}
# More.
list: [a, b]
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []row{
		{"replicas", "2", "How many."},
		{"image.repository", `"a"`, `The image. Where it is: here \| there, or nowhere.`},
		{"image.tag", `""`, "Its tag."},
		{"resources", `{"limits":{"cpu":1}}`, "All of it."},
		{"list", `["a","b"]`, "More."},
	}
	if diff := cmp.Diff(want, rows, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAValueWithoutDescription(t *testing.T) {
	_, err := readValues([]byte("# A section.\na:\n  # Said.\n  b: 1\n  c: 2\n"))
	if err == nil || !strings.Contains(err.Error(), "line 5: a.c has no description") {
		t.Errorf("got %v", err)
	}
}
