//go:build !race

package netns

// raceFlags are none: the tests do not look for races either.
var raceFlags []string
