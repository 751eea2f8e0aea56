package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// envRun is set to 1 by whoever has a cluster for these tests.
const envRun = "WARIFU_E2E"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(envRun) != "1" {
		fmt.Printf("Not run: these tests need a cluster of their own. make e2e starts one; %s=1 uses the one that is there.\n", envRun)
		return
	}
	// Tests wait most of their time, but each of them starts pods.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("3"); err != nil {
			panic(err)
		}
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := finish(code); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}
