package main

import (
	"strings"
	"testing"
	"time"
)

const output = `goos: linux
pkg: github.com/warifu/warifu/internal/policy
BenchmarkCompile-2         	  100000	     61000 ns/op	    2048 B/op	      12 allocs/op
BenchmarkChange/policy-2   	    1000	   2500000 ns/op	 3145728 B/op	     120 allocs/op
BenchmarkChange/pod-2      	    1000	   1500000 ns/op	         1.250 ratio	 3145728 B/op	     120 allocs/op
PASS
ok  	github.com/warifu/warifu/internal/policy	3.1s
`

func TestReadAndStand(t *testing.T) {
	var progress strings.Builder
	results, err := read(strings.NewReader(output), &progress)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := print(&printed, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"policy.Compile", "61 µs", "2 KiB", "policy.Change/policy", "2.5 ms", "3 MiB", "120"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, printed.String())
		}
	}
	for _, test := range []struct {
		limit limit
		want  string
	}{
		{limit{about: "policy.Compile", most: 100 * time.Microsecond}, "within"},
		{limit{about: "policy.Compile", most: 60 * time.Microsecond}, "OVER"},
		{limit{about: "policy.Change/", most: 2 * time.Millisecond}, "OVER"}, // the worst of two
		{limit{about: "policy.Change/", ratio: 1.5}, "within"},
		{limit{about: "policy.Change/", ratio: 1.2}, "OVER"},
		{limit{about: "policy.Other", most: time.Second}, ""},
	} {
		if _, _, verdict := test.limit.stand(results); verdict != test.want {
			t.Errorf("%+v stands %q; want %q", test.limit, verdict, test.want)
		}
	}
}
