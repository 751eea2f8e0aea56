package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warifu/warifu/internal/policy"
)

func newValidate() *cobra.Command {
	var (
		src    source
		output outputFormat
	)
	cmd := &cobra.Command{
		Use:   "validate [-f PATH...]",
		Short: "Lists what is wrong with policies, or legal and surprising",
		Long: `Lists what is wrong with policies (Error: refused by admission), or legal and surprising (Warning), with the field and the
way out. Give Pods, Services and Namespaces too, and it also sees policies that select nothing or shadow each other.

Exit codes: 0 no errors (there may be warnings), 1 errors, 2 the policies could not be read.`,
		Example: `  warifu validate -f policies/
  kustomize build . | warifu validate -f - -o json
  warifu validate                       # everything in the cluster`,
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := src.gather(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			index, refused := compile(set, src.settings)
			findings := sorted(slices.Concat(set.Findings, refused, index.AllFindings()))
			if err := writeFindings(cmd.OutOrStdout(), findings, output); err != nil {
				return err
			}
			if slices.ContainsFunc(findings, isError) {
				return errFindings
			}
			return nil
		},
	}
	src.bind(cmd.Flags())
	output.bind(cmd.Flags())
	return cmd
}

func isError(f policy.Finding) bool { return f.Severity == policy.SeverityError }

// sorted orders findings by object, then field, errors before warnings.
func sorted(findings []policy.Finding) []policy.Finding {
	slices.SortStableFunc(findings, func(a, b policy.Finding) int {
		return cmp.Or(
			cmp.Compare(a.Object.Namespace, b.Object.Namespace),
			cmp.Compare(a.Object.Kind, b.Object.Kind),
			cmp.Compare(a.Object.Name, b.Object.Name),
			cmp.Compare(a.Severity, b.Severity), // "Error" < "Warning"
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Reason, b.Reason),
		)
	})
	return findings
}

func writeFindings(w io.Writer, findings []policy.Finding, output outputFormat) error {
	if output == outputJSON {
		if findings == nil {
			findings = []policy.Finding{} // [] and not null
		}
		return writeJSON(w, findings)
	}
	var b strings.Builder
	errors := 0
	for _, f := range findings {
		if isError(f) {
			errors++
		}
		fmt.Fprintf(&b, "%-7s  %s", f.Severity, f.Object)
		if f.Field != "" {
			fmt.Fprintf(&b, "  %s", f.Field)
		}
		fmt.Fprintf(&b, "\n         %s: %s\n", f.Reason, f.Message)
	}
	if len(findings) == 0 {
		b.WriteString("No findings.\n")
	} else {
		fmt.Fprintf(&b, "\n%s, %s.\n", count(errors, "error"), count(len(findings)-errors, "warning"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// warn tells of objects that could not be used as they stand, where the answer is about something else.
func warn(w io.Writer, findings []policy.Finding) {
	for _, f := range findings {
		what := f.Object.String()
		if f.Field != "" {
			what += ": " + f.Field
		}
		fmt.Fprintf(w, "Warning: %s: %s\n", what, f.Message)
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
