package e2e

import (
	"context"
	"crypto/x509"
	"path/filepath"
	"testing"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// TestCertManagerTakesOverAndLeavesAgain: with cert-manager on the cluster, every identity comes to be of a company's CA, then of
// the operator's own again, and the load that goes on has not noticed.
func TestCertManagerTakesOverAndLeavesAgain(t *testing.T) {
	t.Parallel()
	if _, local := world.localCluster(); !local {
		t.Skip("make e2e brings the image of cert-manager's controllers to the local cluster alone")
	}
	folder, err := binaries.FindCertManager()
	if err != nil {
		t.Fatal(err)
	}
	crds := "--filename=" + filepath.Join(folder, binaries.FolderCRDs)
	p, s := newPlace(t, "e2e-cert-manager"), system(t)
	t.Cleanup(func() { // its objects go with their kinds
		ctx := context.WithoutCancel(t.Context())
		for _, args := range [][]string{
			{"delete", "--ignore-not-found", "--wait=false", crds},
			{"delete", "--ignore-not-found", "clusterrolebinding/" + p.name},
			{"delete", "--ignore-not-found", "--namespace=" + s.name, "secret/e2e-root"},
		} {
			if _, err := world.kubectl(ctx, "", args...); err != nil {
				t.Error(err)
			}
		}
	})
	p.kubectl("apply", "--server-side", crds)
	p.kubectl("wait", "--for=condition=Established", crds)
	p.applyFile("certmanager.yaml")
	s.applyFile("companyca.yaml")
	p.rollout("deployment/cert-manager")
	s.wait("condition=Ready", "issuer/e2e-company")

	p.issuedBy(`{"type":"CertManagerIntermediate","certManager":{"issuerRef":{"name":"e2e-company"}}}`, "secret/e2e-root")
	p.issuedBy(`{"type":"Builtin","certManager":null}`, "secret/"+naming.SecretCA)
}

// issuedBy sets the issuer, and waits until the identity of the load is of the CA in the Secret, and in use.
func (p *place) issuedBy(issuer, secret string) {
	p.t.Helper()
	s, ctx := system(p.t), p.t.Context()
	p.kubectl("patch", "trustdomain", "cluster.local", "--type=merge", `--patch={"spec":{"issuer":`+issuer+`}}`)
	p.t.Cleanup(func() {
		_, _ = world.kubectl(context.WithoutCancel(ctx), "", "patch", "trustdomain", "cluster.local", "--type=merge",
			`--patch={"spec":{"issuer":{"type":"Builtin","certManager":null}}}`)
	})
	root, err := parseChain(s.kubectl("get", secret, `--output=jsonpath={.data.tls\.crt}`))
	if err != nil {
		p.t.Fatal(err)
	}
	load := &place{p.t, nsLoad}
	load.eventually("the load proves what is of the CA in "+secret, func() error {
		chain, err := world.chainOf(ctx, nsLoad, "default")
		if err != nil {
			return err
		}
		options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
		options.Roots.AddCert(root[0])
		for _, c := range chain[1:] {
			options.Intermediates.AddCert(c)
		}
		if _, err := chain[0].Verify(options); err != nil {
			return err
		}
		return load.proves("deployment/client", "http://web/", chain[0])
	})
	s.wait("condition=Ready", "trustdomain/cluster.local")
	loadGoesOn(p.t)
}
