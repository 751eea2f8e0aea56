package machine

import "testing"

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2"
	tests := map[string]struct {
		stat    string
		started uint64
		state   string
	}{
		"usual":                {"12 (sh)" + rest, 98765, "S"},
		"a name with anything": {"12 (a) R 1 (b c)" + rest, 98765, "S"},
		"too short":            {"12 (sh) S 1 2", 0, ""},
		"empty":                {"", 0, ""},
	}
	for name, test := range tests {
		started, state, err := parseStat(test.stat)
		if started != test.started || state != test.state || (err != nil) != (test.state == "") {
			t.Errorf("%s: %d, %q, %v", name, started, state, err)
		}
	}
}
