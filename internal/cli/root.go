package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warifu/warifu/internal/version"
)

// Exit codes. A script can tell "there are errors in the policies" from "the question could not be answered".
const (
	exitOK       = 0
	exitFindings = 1
	exitFailure  = 2
)

// errFindings makes the exit code exitFindings; the findings have been printed.
var errFindings = errors.New("there are errors in the policies")

// Main runs the command line of this process and returns its exit code.
func Main() int {
	return Run(filepath.Base(os.Args[0]), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// Run runs a command line and returns its exit code. program is the name it was called by.
func Run(program string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := newCommand(program)
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	switch err := cmd.Execute(); {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFindings
	default:
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitFailure
	}
}

func newCommand(program string) *cobra.Command {
	root := &cobra.Command{
		Use:   "warifu",
		Short: "Checks and explains Warifu's policies",
		Long: `Checks and explains Warifu's policies, with the compiler that the operator runs: on files (-f), or on the cluster of the
current kubeconfig context.`,
		Version:       version.String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	if plugin, ok := strings.CutPrefix(program, "kubectl-"); ok {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl " + plugin}
	}
	root.AddCommand(newValidate(), newExplain(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Prints the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "warifu", version.String())
			return err
		},
	}
}
