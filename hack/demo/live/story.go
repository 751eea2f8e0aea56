package live

import (
	"context"
	"fmt"
	"strings"
)

const walkthrough = "hack/cluster/hello/walkthrough.yaml"

// pods starts the server and its clients, and takes back the policies of an earlier run.
func (d *Demo) pods(ctx context.Context) error {
	if err := d.show(ctx, "kubectl apply -f "+walkthrough); err != nil {
		return err
	}
	const policies = "peerauthentications,destinationrules,authorizationpolicies"
	left, err := read(ctx, "kubectl get "+policies+" -n shop --output=name")
	if err != nil {
		return err
	}
	if left != "" {
		d.report.Say("There are policies from before:")
		if err := d.show(ctx, "kubectl delete "+policies+" --all -n shop"); err != nil {
			return err
		}
	}
	for _, line := range []string{
		"kubectl rollout status deployment/web -n shop --timeout=2m",
		"kubectl wait --for=condition=Ready pod/customer pod/courier -n shop --timeout=2m",
		"kubectl wait --for=condition=Ready pod/passer-by -n street --timeout=2m",
		"kubectl get namespaces shop street --label-columns=warifu.dev/injection",
	} {
		if err := d.show(ctx, line); err != nil {
			return err
		}
	}
	for _, in := range []struct {
		namespace string
		proxied   bool
		says      string
	}{
		{"shop", true, "every pod of shop got a proxy"},
		{"street", false, "no pod of street did"},
	} {
		line := "kubectl get pods -n " + in.namespace + " --output=custom-columns=POD:.metadata.name,ACCOUNT:.spec.serviceAccountName,INIT:.spec.initContainers[*].name"
		d.report.Command(line)
		out, err := read(ctx, line)
		if err != nil {
			return err
		}
		d.report.Block(out)
		pods, proxies := strings.Count(out, "\n")-1, strings.Count(out, "warifu-proxy")
		d.report.Check(in.proxied && proxies == pods || !in.proxied && proxies == 0, "%s", in.says)
	}
	return nil
}

func (d *Demo) permissive(ctx context.Context) error {
	d.report.Say("The passer-by has no identity, so it comes in plaintext:")
	if err := d.ask(ctx, passerBy, served, "passer-by, without an identity, is served"); err != nil {
		return err
	}
	d.report.Line("")
	d.report.Say("The customer has one. Its proxy and web's do mutual TLS, and tell the application who it is:")
	return d.ask(ctx, customer, served.naming("customer"), "customer is served, and web is told who it is")
}

func (d *Demo) strict(ctx context.Context) error {
	if err := d.apply(ctx, "strict"); err != nil {
		return err
	}
	if err := d.ask(ctx, passerBy, refused, "STRICT: passer-by is refused"); err != nil {
		return err
	}
	d.report.Line("")
	return d.ask(ctx, customer, served.naming("customer"), "STRICT: customer is served, and named to web")
}

func (d *Demo) disabled(ctx context.Context) error {
	if err := d.apply(ctx, "no-proof"); err != nil {
		return err
	}
	if err := d.ask(ctx, customer, refused, "DISABLE: customer is refused, even with a proxy"); err != nil {
		return err
	}
	d.report.Line("")
	if err := d.show(ctx, "kubectl delete -f "+file("no-proof")); err != nil {
		return err
	}
	return d.ask(ctx, customer, served, "without DISABLE customer is served again")
}

func (d *Demo) authorised(ctx context.Context) error {
	if err := d.apply(ctx, "only-courier"); err != nil {
		return err
	}
	if err := d.ask(ctx, customer, denied, "only the courier: customer gets 403, RBAC: access denied"); err != nil {
		return err
	}
	d.report.Line("")
	return d.ask(ctx, courier, served.naming("courier"), "only the courier: courier is served")
}

// policies waits until the proxies have said that they enforce them.
func (d *Demo) policies(ctx context.Context) error {
	err := d.show(ctx, "kubectl wait --for=condition=Programmed peerauthentication/default authorizationpolicy/web -n shop --timeout=30s")
	d.report.Check(err == nil, "both policies are in force in every proxy that they are about")
	return d.show(ctx, "kubectl get warifu --all-namespaces")
}

func (d *Demo) apply(ctx context.Context, name string) error {
	return d.show(ctx, "kubectl apply -f "+file(name))
}

// file is a policy of this folder.
func file(name string) string { return fmt.Sprintf("hack/demo/live/%s.yaml", name) }
