package main

import (
	"fmt"
	"slices"
	"time"
)

// limit is a promise about a benchmark: at most a time, or at most a multiple of another benchmark of the same run.
type limit struct {
	what      string
	benchmark string
	most      time.Duration
	times     float64
	than      string
}

// limits are what the design promises.
var limits = []limit{
	{what: "inject a 64 KB pod: decode, decide, patch", benchmark: "webhooks.Inject64KB", most: time.Millisecond},
	{what: "... against decoding and encoding it alone", benchmark: "webhooks.Inject64KB", times: 2, than: "webhooks.DecodeEncode64KB"},
	{what: "one workload's configuration, 10,000 pods and 1,000 policies", benchmark: "policy.Compile", most: 100 * time.Microsecond},
	{what: "one object changes, 10,000 pods and 1,000 policies", benchmark: "policy.Change", most: time.Millisecond},
}

// stand says where a limit stands.
func (l limit) stand(results []result) (is, most, verdict string) {
	have, ok := find(results, l.benchmark)
	if !ok {
		return "not measured", "", ""
	}
	if l.than == "" {
		return duration(have.time), duration(l.most), word(have.time <= l.most)
	}
	other, ok := find(results, l.than)
	if !ok || other.time == 0 {
		return "not measured", "", ""
	}
	ratio := float64(have.time) / float64(other.time)
	return fmt.Sprintf("%.2f×", ratio), fmt.Sprintf("%.2g×", l.times), word(ratio <= l.times)
}

func find(results []result, name string) (result, bool) {
	i := slices.IndexFunc(results, func(r result) bool { return r.name == name })
	if i < 0 {
		return result{}, false
	}
	return results[i], true
}

func word(within bool) string {
	if within {
		return "within"
	}
	return "OVER"
}
