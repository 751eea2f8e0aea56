// The command line: checks and explains policies. Installed as kubectl-warifu it is a kubectl plugin.
package main

import (
	"os"

	"github.com/warifu/warifu/internal/cli"
)

func main() {
	os.Exit(cli.Main())
}
