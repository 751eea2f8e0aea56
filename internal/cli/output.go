package cli

import (
	"fmt"

	"github.com/spf13/pflag"
)

// outputFormat is the value of -o.
type outputFormat string

const (
	outputText outputFormat = "text"
	outputJSON outputFormat = "json"
)

func (o *outputFormat) bind(fs *pflag.FlagSet) {
	*o = outputText
	fs.VarP(o, "output", "o", "text, for people, or json, for programs")
}

// String, Set and Type make outputFormat a flag.
func (o *outputFormat) String() string { return string(*o) }

// Set refuses what is not a format.
func (o *outputFormat) Set(s string) error {
	switch f := outputFormat(s); f {
	case outputText, outputJSON:
		*o = f
		return nil
	}
	return fmt.Errorf("must be %s or %s", outputText, outputJSON)
}

// Type is shown in the help.
func (o *outputFormat) Type() string { return "format" }
