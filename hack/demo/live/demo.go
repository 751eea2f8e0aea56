// Package live is the demo on a real cluster: the chart is installed, a server and its clients start in a namespace that takes
// part and in one that does not, and policies change who is served. Whatever is shown is a command that can be typed, and what
// it answered; every answer is held against what must come, and against what warifu explain says.
package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/hack/demo/report"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// Demo is of one cluster.
type Demo struct {
	report     *report.Report
	kubeconfig string
	foreign    bool   // somebody else runs the cluster
	which      string // of several local clusters, as make is told
	path       []string
}

// New makes the demo for the local cluster of that number, or for the one that KUBECONFIG names. It changes to the root of the
// source: paths in commands are those that a reader would type.
func New(id int, r *report.Report) (*Demo, error) {
	if id < 0 || id > plan.MaxID {
		return nil, fmt.Errorf("there are clusters 0 to %d", plan.MaxID)
	}
	d := &Demo{report: r, kubeconfig: plan.ID(id).Folder().Kubeconfig()}
	if named := os.Getenv("KUBECONFIG"); named != "" && named != d.kubeconfig {
		d.kubeconfig, d.foreign = named, true
	}
	if id > 0 {
		d.which = fmt.Sprintf(" CLUSTER=%d", id)
	}
	root, err := binaries.ModuleRoot()
	if err != nil {
		return nil, err
	}
	d.path = []string{filepath.Join(root, "bin")}
	for _, find := range []func() (string, error){binaries.Folder, binaries.HelmFolder} {
		folder, err := find()
		if err != nil {
			return nil, err
		}
		d.path = append(d.path, folder)
	}
	return d, os.Chdir(root)
}

var errFailed = errors.New("not all was as it should be")

// Run shows the whole story and lists what was checked. What it made stays.
func (d *Demo) Run(ctx context.Context) error {
	if err := machine.Able(); err != nil && !d.foreign {
		fmt.Printf("This machine cannot run a node (%v), so this is the demo of a control plane alone.\n", err)
		return passOn(ctx, "make demo-control-plane")
	}
	err := d.steps(ctx, []step{
		{"A cluster", d.cluster},
		{"Warifu is installed", d.install},
		{"One namespace takes part, one does not", d.pods},
		{"Without a policy everybody is served", d.permissive},
		{"PeerAuthentication STRICT: whoever proves no identity is refused", d.strict},
		{"DestinationRule DISABLE: a client that is told not to prove its identity is refused, too", d.disabled},
		{"AuthorizationPolicy: one identity is served, another is not", d.authorised},
		{"What the policies say about themselves", d.policies},
	})
	if !d.report.Close(err) {
		return errFailed
	}
	d.next()
	return nil
}

type step struct {
	title string
	do    func(context.Context) error
}

func (d *Demo) steps(ctx context.Context, all []step) error {
	for _, s := range all {
		d.report.Step(s.title)
		if err := s.do(ctx); err != nil {
			if ctx.Err() != nil {
				err = errors.New("interrupted; make demo begins again with what is there")
			}
			return fmt.Errorf("%s: %w", strings.ToLower(s.title), err)
		}
	}
	return nil
}

// next is what a reader may try now.
func (d *Demo) next() {
	fmt.Printf(`
The cluster stays as it is. Go on with:

  export KUBECONFIG=%[1]s
  export PATH=%[2]s:$PATH
  kubectl get warifu --all-namespaces
  kubectl exec -n shop courier -c app -- /hello post http://web/orders
  kubectl logs -n shop deployment/web -c warifu-proxy
  warifu explain --from street/passer-by --to shop/web:80
  kubectl delete -f hack/demo/live/only-courier.yaml

make demo%[3]s shows it again, make demo-down%[3]s ends it.
`, d.kubeconfig, strings.Join(d.path, ":"), d.which)
}
