package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	const events = `{"Action":"build-output","ImportPath":"p","Output":"p/x.go:1: broken\n"}
{"Action":"run","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"a good test's log\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"pass","Package":"p","Test":"TestLong/part","Elapsed":70}
{"Action":"pass","Package":"p","Test":"TestLong","Elapsed":70.4}
{"Action":"pass","Package":"p","Test":"TestShort","Elapsed":9.9}
{"Action":"output","Package":"p","Test":"TestBad","Output":"a bad test's log\n"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"output","Package":"p","Test":"TestLazy","Output":"a skipped test's log\n"}
{"Action":"skip","Package":"p","Test":"TestLazy"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t1s\n"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}
not JSON
`
	var out strings.Builder
	skipped, err := report(strings.NewReader(events), &out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"p TestLazy"}, skipped); diff != "" {
		t.Errorf("skipped:\n%s", diff)
	}
	want := "p/x.go:1: broken\n--- PASS: TestLong (70s)\na bad test's log\nFAIL\tp\t1s\nnot JSON\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output:\n%s", diff)
	}
}

func TestCommand(t *testing.T) {
	for args, want := range map[string]string{
		"-race ./...":      "test -json -race ./...",
		"-C a/b -race ./x": "test -C a/b -json -race ./x",
	} {
		if got := strings.Join(command(strings.Fields(args)), " "); got != want {
			t.Errorf("%s: go %s, want go %s", args, got, want)
		}
	}
}
