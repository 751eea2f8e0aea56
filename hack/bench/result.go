package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is one benchmark.
type result struct {
	name        string // package.Name/case, without the word Benchmark
	time        time.Duration
	bytes       float64
	allocations string
	ratio       float64 // that the benchmark reports, against something else of the same run
}

// cpus is the suffix that go test appends to a benchmark's name.
var cpus = regexp.MustCompile(`-\d+$`)

// parse reads a line such as "BenchmarkDecide/plain-2  1000  1234 ns/op  16 B/op  2 allocs/op".
func parse(pkg, line string) (result, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
		return result{}, false
	}
	r := result{name: pkg + "." + cpus.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")}
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return result{}, false
		}
		switch fields[i+1] {
		case "ns/op":
			// Below a microsecond fractions matter, but no limit of ours is there.
			r.time = time.Duration(value)
		case "B/op":
			r.bytes = value
		case "allocs/op":
			r.allocations = fields[i]
		case "ratio":
			r.ratio = value
		}
	}
	return r, true
}

// duration is a time with three digits.
func duration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	case d >= time.Microsecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	}
	return fmt.Sprintf("%d ns", d)
}

func bytes(n float64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.3g MiB", n/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.3g KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.0f B", n)
}
