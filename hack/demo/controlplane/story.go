package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/internal/identity"
)

// Who is who in config/samples: frontend calls orders, and both do TLS themselves (data plane none); orders calls payments,
// whose TLS is the business of a sidecar.
const (
	shop     = "shop"
	frontend = "frontend"
	orders   = "orders"
	payments = "payments"
)

// manifests are the workloads; the policies are in config/samples.
const manifests = "config/samples/workloads"

// trustDomain is the default.
const trustDomain identity.TrustDomain = "cluster.local"

// question is one that warifu explain is asked, and what must come out.
type question struct {
	who     string
	args    []string
	outcome string // of the transport
	allowed bool
}

var questions = []question{
	{
		who:     "orders calls payments",
		args:    []string{"--to", shop + "/payments:8080", "--from-identity", idOf(orders).String(), "--method", "POST", "--path", "/charge"},
		outcome: "mtls",
		allowed: true,
	},
	{
		who:     "a client without identity calls payments",
		args:    []string{"--to", shop + "/payments:8080", "--from", "none", "--method", "POST", "--path", "/charge"},
		outcome: "refused",
		allowed: false,
	},
}

// idOf is the identity of a ServiceAccount of the shop.
func idOf(serviceAccount string) identity.ID {
	id, err := identity.New(trustDomain, shop, serviceAccount)
	if err != nil {
		panic(err) // a constant of this program is wrong
	}
	return id
}

// cli runs warifu against the cluster.
func (d *demo) cli(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.root, "bin", "warifu"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.cluster.Kubeconfig)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("warifu %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
