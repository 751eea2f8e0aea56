package report

import (
	"errors"
	"strings"
	"testing"
)

func TestOneThingThatIsNotAsItShouldBeFailsTheDemo(t *testing.T) {
	for _, test := range []struct {
		name   string
		checks []bool
		err    error
		want   bool
		says   string
	}{
		{name: "all is well", checks: []bool{true, true}, want: true, says: "2 checks in"},
		{name: "one check failed", checks: []bool{true, false, true}, says: "1 not as it should be"},
		{name: "it ended early", checks: []bool{true}, err: errors.New("out of memory"), says: "out of memory"},
		{name: "nothing was checked and it ended early", err: errors.New("no binaries"), says: "1 not as it should be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := &Report{out: &out}
			for _, ok := range test.checks {
				r.Check(ok, "something")
			}
			if got := r.Close(test.err); got != test.want {
				t.Errorf("close = %t; want %t", got, test.want)
			}
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("output does not say %q:\n%s", test.says, out.String())
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Error("colours where nobody looks at them")
			}
		})
	}
}
