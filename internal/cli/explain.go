package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/cli/explain"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/policy"
)

// fromNone is the value of --from for a client that has no identity.
const fromNone = "none"

// questionFlags are a question as the command line puts it.
type questionFlags struct {
	to, from, fromIdentity string
	plaintext              bool
	method, host, path     string
	headers                []string
}

func newExplain() *cobra.Command {
	var (
		src    source
		output outputFormat
		ask    questionFlags
	)
	cmd := &cobra.Command{
		Use:   "explain [-f PATH...] --to NS/POD[:PORT] [--from NS/POD | --from-identity SPIFFE-ID | --from none]",
		Short: "Says what happens to a connection or request, which object decided, and why",
		Long: `Says what happens to a connection or request, which object decided, and why.

A pod of a cluster counts as proxied when its spec has the proxy container; a pod of a manifest when it would be injected,
with data plane sidecar unless labelled otherwise. Without --method, --host, --path and --header the question is about a TCP
connection; with one of them about an HTTP request (GET / unless said otherwise). Without --from the client has no identity.
--from-identity stands for any client that proves that identity where the endpoint lets it; no DestinationRule guides it.

Exit codes: 0 the question was answered, whatever the answer; 2 it was not.`,
		Example: `  warifu explain -f policies/ --to shop/cart:8080 --from web/frontend
  warifu explain --to shop/cart:80 --from-identity spiffe://cluster.local/ns/web/sa/frontend --method GET --path /cart
  warifu explain --to shop/db-0 --from none -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			question, err := ask.question()
			if err != nil {
				return err
			}
			set, err := src.gather(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			view, refused := View(set, src.settings)
			broken := slices.DeleteFunc(view.Index.AllFindings(), func(f policy.Finding) bool { return !isError(f) })
			warn(cmd.ErrOrStderr(), slices.Concat(set.Findings, refused, broken))
			answer, err := explain.Explain(view, question)
			if err != nil {
				return err
			}
			if output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), answer)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), answer.Text())
			return err
		},
	}
	src.bind(cmd.Flags())
	output.bind(cmd.Flags())
	ask.bind(cmd)
	return cmd
}

func (q *questionFlags) bind(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&q.to, "to", "", "NAMESPACE/POD[:PORT] or NAMESPACE/SERVICE:PORT that is dialled")
	fs.StringVar(&q.from, "from", "", "NAMESPACE/POD that dials, or none: a client without identity")
	fs.StringVar(&q.fromIdentity, "from-identity", "", "SPIFFE ID that the client proves, instead of --from")
	fs.BoolVar(&q.plaintext, "plaintext", false, "the client sends plaintext, whatever policy tells it")
	fs.StringVar(&q.method, "method", "", "HTTP method")
	fs.StringVar(&q.host, "host", "", "HTTP host, with the port if the client sends one")
	fs.StringVar(&q.path, "path", "", "HTTP path")
	fs.StringArrayVar(&q.headers, "header", nil, "HTTP header as NAME=VALUE; may be repeated")
	cmd.MarkFlagsMutuallyExclusive("from", "from-identity")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is declared six lines up
	}
}

func (q *questionFlags) question() (explain.Question, error) {
	question := explain.Question{Plaintext: q.plaintext}
	var err error
	if question.To, err = explain.ParseTarget(q.to); err != nil {
		return question, fmt.Errorf("--to: %w", err)
	}
	switch {
	case q.fromIdentity != "":
		if question.From.Identity, err = identity.Parse(q.fromIdentity); err == nil {
			break
		}
		if _, notSPIFFE := spiffeid.FromString(q.fromIdentity); notSPIFFE != nil {
			return question, fmt.Errorf("--from-identity: %w: write spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT", err)
		}
		question.From.Stranger = q.fromIdentity
	case q.from != "" && q.from != fromNone:
		if question.From.Pod, err = explain.ParseName(q.from); err != nil {
			return question, fmt.Errorf("--from: %w; or none, for a client without identity", err)
		}
	}
	question.HTTP, err = q.http()
	return question, err
}

// http is the request asked about, or nil for a TCP connection.
func (q *questionFlags) http() (*authz.HTTP, error) {
	if q.method == "" && q.host == "" && q.path == "" && len(q.headers) == 0 {
		return nil, nil
	}
	request := &authz.HTTP{Method: q.method, Host: q.host, Path: q.path, Header: http.Header{}}
	if request.Method == "" {
		request.Method = http.MethodGet
	}
	if request.Path == "" {
		request.Path = "/"
	}
	for _, h := range q.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return nil, errors.New("--header: " + h + " is not NAME=VALUE")
		}
		request.Header.Add(name, value)
	}
	return request, nil
}
