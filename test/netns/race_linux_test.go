//go:build race

package netns

// raceFlags make the proxy look for races where the tests do.
var raceFlags = []string{"-race"}
