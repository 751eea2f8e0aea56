package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDockerfileMakesTheSameImages: the same make target builds the programs, and its images are set up as ours are.
func TestDockerfileMakesTheSameImages(t *testing.T) {
	dockerfile := source(t, "Dockerfile")
	for p, stage := range map[int]string{0: "operator", 1: "proxy", 2: "cli"} {
		if want := published[p].stage(stage); !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile lacks\n%s", want)
		}
	}
	if n := strings.Count(dockerfile, "\nFROM "); n != len(published)+1 {
		t.Errorf("the Dockerfile has %d stages", n)
	}
	// The one way to compile, which (program).compile takes too.
	if want := "\nRUN GOOS=linux GOARCH=${TARGETARCH} make build OUT=/out VERSION=${VERSION}\n"; !strings.Contains(dockerfile, want) {
		t.Errorf("the Dockerfile does not compile by\n%s", want)
	}
	built := regexp.MustCompile(`(?m)^PROGRAMS := (.*)$`).FindStringSubmatch(source(t, "Makefile"))
	for _, p := range published {
		if built == nil || !slices.Contains(strings.Fields(built[1]), p.target) {
			t.Errorf("make build does not build %s", p.target)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(source(t, "go.mod"))
	if version == nil || !strings.Contains(dockerfile, "ARG GO_VERSION="+version[1]+"\n") {
		t.Errorf("the Dockerfile does not compile with Go %v, as go.mod says", version)
	}
}

// stage is how the Dockerfile makes the image.
func (p program) stage(name string) string {
	s := p.settings
	s.Version = "${VERSION}"
	labels := s.labels()
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		lines = append(lines, fmt.Sprintf("%s=%q", key, labels[key]))
	}
	return fmt.Sprintf("\nFROM scratch AS %s\nARG VERSION\nCOPY --from=build /out/%s /%[2]s\nUSER %s\nENTRYPOINT [\"/%[2]s\"]\nLABEL %[4]s\n",
		name, p.target, p.settings.User, strings.Join(lines, " \\\n      "))
}
