package wire

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLines(t *testing.T) {
	const longest = 100_000
	long := strings.Repeat("x", longest-1)
	tests := map[string]struct {
		in   string
		want []string
		err  error
	}{
		"nothing":               {"", nil, io.EOF},
		"two lines":             {"a\nb\n", []string{"a", "b"}, io.EOF},
		"as curl on Windows":    {"a\r\nb\r\n", []string{"a", "b"}, io.EOF},
		"one that was cut off":  {"a\nb", []string{"a"}, io.EOF},
		"the longest":           {long + "\nb\n", []string{long, "b"}, io.EOF},
		"one byte more":         {"a\n" + long + "x\n", []string{"a"}, ErrTooLong},
		"one that does not end": {strings.Repeat("x", 3*longest), nil, ErrTooLong},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			lines := NewLines(strings.NewReader(tt.in), longest)
			var got []string
			var err error
			for err == nil {
				var line []byte
				if line, err = lines.Next(); err == nil {
					got = append(got, string(line))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v; -want +got:\n%.300s", err, tt.err, diff)
			}
		})
	}
}

func TestDecodingIsStrict(t *testing.T) {
	for _, line := range []string{
		``, `null garbage`, `[]`, `{"hello":{"schema":"1"}}`, `{"unknown":1}`, `{"hello":{"schema":1,"unknown":1}}`,
		`{"hello":{"schema":1}} {}`, `{"watch":["localhost:80"]}`, `{"ack":-1}`,
	} {
		if ask, err := DecodeAsk([]byte(line)); err == nil {
			t.Errorf("%s is taken for %+v", line, ask)
		}
	}
	tell, err := DecodeTell([]byte(`{"revision":7,"config":{"version":1,"inbound":{"forbid":true}}}`))
	if err == nil || tell == nil || tell.Revision != 7 || tell.Config != nil {
		t.Errorf("a field that may forbid something: %+v, %v", tell, err)
	}
	if tell, err := DecodeTell([]byte(`{"revision":`)); err == nil || tell != nil {
		t.Errorf("half a line: %+v, %v", tell, err)
	}
}

var seeds = []string{
	`{"hello":{"schema":1,"seen":{"Pod":5},"version":"v"},"watch":["10.0.0.1:80","[fd00::1]:443"],"ack":3}`,
	`{"forget":["10.0.0.1:80"],"watchCredentials":["a"],"forgetCredentials":["b"],"rejected":{"revision":2,"reason":"r"}}`,
	`{"revision":1,"asOf":{"Pod":5},"config":{"version":1,"identity":"spiffe://cluster.local/ns/a/sa/b","trustDomains":["cluster.local"],` +
		`"inbound":{"default":{"mode":"STRICT"},"httpPorts":[80]},"outbound":{"clusterRanges":["10.0.0.0/8"]},"telemetry":{"accessLogPercent":100}}}`,
	`{"revision":2,"addresses":[{"address":"10.0.0.1:80","known":true,"endpoints":[{"address":"10.0.0.2:80","tls":0}],"tls":[{"mode":"DISABLE"}]}],` +
		`"credentials":[{"name":"a","certificate":"Yw=="}]}`,
	`{"asOf":{}}`, `null`, `{}`, `{"watch":[""]}`,
}

// FuzzAsk and FuzzTell: whatever is decoded comes out the same after another round, and nothing panics.
func FuzzAsk(f *testing.F) { fuzz(f, DecodeAsk) }

func FuzzTell(f *testing.F) { fuzz(f, DecodeTell) }

func fuzz[T any](f *testing.F, decode func([]byte) (*T, error)) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		value, err := decode(line)
		if err != nil {
			return
		}
		again, err := Encode(value)
		if err != nil {
			t.Fatalf("%q was decoded and cannot be encoded: %v", line, err)
		}
		other, err := decode(again[:len(again)-1])
		if err != nil {
			t.Fatalf("%q became %q: %v", line, again, err)
		}
		a, _ := json.Marshal(value)
		b, _ := json.Marshal(other)
		if diff := cmp.Diff(string(a), string(b), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q: %s", line, diff)
		}
	})
}
