package main

import (
	"fmt"
	"strings"
	"time"
)

// limit is a promise about the worst of some benchmarks: at most a time, or at most a ratio that they report themselves.
type limit struct {
	what  string
	about string // name of a benchmark, or the beginning of several that ends in a slash
	most  time.Duration
	ratio float64
}

// limits are what the design promises.
var limits = []limit{
	{what: "inject a 64 KB pod: decode, decide, patch", about: "webhooks.Inject64KB/", most: time.Millisecond},
	{what: "... against decoding and encoding it alone", about: "webhooks.Inject64KB/", ratio: 2},
	{what: "configuration of one workload out of 10,000 pods and 1,000 policies", about: "policy.Compile/pods=10000/policies=1000", most: 100 * time.Microsecond},
	{what: "one object changes among 10,000 pods and 1,000 policies", about: "policy.Set/", most: time.Millisecond},
}

// stand says where a limit stands: by the worst benchmark that it is about.
func (l limit) stand(results []result) (is, most, verdict string) {
	var worst result
	for _, r := range results {
		about := r.name == l.about || strings.HasSuffix(l.about, "/") && strings.HasPrefix(r.name, l.about)
		if about && (r.time > worst.time && l.most > 0 || r.ratio > worst.ratio && l.ratio > 0) {
			worst = r
		}
	}
	switch {
	case worst.name == "":
		return "not measured", "", ""
	case l.ratio > 0:
		return fmt.Sprintf("%.2f×", worst.ratio), fmt.Sprintf("%.2g×", l.ratio), word(worst.ratio <= l.ratio)
	}
	return duration(worst.time), duration(l.most), word(worst.time <= l.most)
}

func word(within bool) string {
	if within {
		return "within"
	}
	return "OVER"
}
