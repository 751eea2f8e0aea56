package proxyconfig

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseWaits(t *testing.T) {
	for _, tc := range []struct{ list, want, problem string }{
		{"", "[]", ""},
		{" , ", "[]", ""},
		{"3306=0s", "[{3306 0}]", ""},
		{"9000 = 250ms, 1=1m, 3306=0", "[{1 60000} {3306 0} {9000 250}]", ""},
		{"65535=1.5s", "[{65535 1500}]", ""},
		{"3306", "[]", `"3306" has no wait; write PORT=WAIT`},
		{"3306=", "[]", `"" is not a wait`},
		{"3306=5", "[]", "is not a wait; write one of 0s to 1m0s"},
		{"3306=-1s", "[]", "is not a wait"},
		{"3306=61s", "[]", "is not a wait"},
		{"3306=1500us", "[]", "whole milliseconds"},
		{"0=0s", "[]", "is not a port; write a number from 1 to 65535"},
		{"65536=0s", "[]", "is not a port"},
		{"mysql=0s", "[]", `"mysql" is not a port`},
		{"1=1s,1=2s", "[{1 1000}]", "port 1 is there twice"},
		{"x=1s,2=2s,3", "[{2 2000}]", `"x" is not a port`},
	} {
		got, err := ParseWaits(tc.list)
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%q: got %v, want %s", tc.list, got, tc.want)
		}
		if (err != nil) != (tc.problem != "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%q: error %v, want one that says %q", tc.list, err, tc.problem)
		}
	}
}
