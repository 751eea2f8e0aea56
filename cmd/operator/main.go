// The operator: policies in, identities and injected pods out.
package main

import (
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/warifu/warifu/internal/app"
)

func main() {
	if err := app.NewCommand().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		os.Exit(1)
	}
}
