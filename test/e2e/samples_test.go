package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSamplesWork: config/samples is applied as it stands, but for the namespace and for images that exist, and does what its
// comments say.
func TestSamplesWork(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-samples", optedIn)
	samples := filepath.Join(world.root, "config", "samples")
	named := strings.NewReplacer("shop", p.name) // in principals too
	var manifests []string
	for _, path := range []string{"workloads/shop.yaml", "peerauthentication.yaml", "destinationrule.yaml", "authorizationpolicy.yaml"} {
		text, err := os.ReadFile(filepath.Join(samples, path))
		if err != nil {
			t.Fatal(err)
		}
		objects := string(text)
		for _, name := range []string{"frontend", "orders", "payments"} {
			objects = strings.ReplaceAll(objects, "image: registry.example.com/shop/"+name+":1.0", "image: localhost/warifu/hello:0.1.0\n      args: [serve]")
		}
		manifests = append(manifests, named.Replace(objects))
	}
	for _, objects := range manifests {
		if err := p.applyAnywhere(objects); err != nil {
			t.Fatal(err)
		}
	}
	p.kubectl("apply", "--dry-run=server", "--filename="+filepath.Join(samples, "trustdomain.yaml")) // the load needs another
	p.wait("condition=Ready", "pod/frontend", "pod/orders", "pod/payments")
	for _, object := range []string{"peerauthentication/default", "peerauthentication/payments", "destinationrule/payments", "authorizationpolicy/payments"} {
		p.wait("condition=Accepted", object)
	}
	p.samplesAnswer("orders", "post", "http://payments/charge", "200 OK")
	p.samplesAnswer("orders", "get", "http://payments/healthz", "200 OK")
	p.samplesAnswer("frontend", "post", "http://payments/charge", "RBAC: access denied")
	p.samplesAnswer("frontend", "get", "http://payments/healthz", "200 OK")
}

// samplesAnswer asks from a pod of the samples, whose containers are named as the pods.
func (p *place) samplesAnswer(pod, method, url, want string) {
	p.t.Helper()
	p.eventually(pod+" asks "+url, func() error {
		out, err := p.try("exec", pod, "--container="+pod, "--", "/hello", method, url)
		if !strings.Contains(out, want) {
			return fmt.Errorf("no %q in %q (%w)", want, out, orNone(err))
		}
		return nil
	})
}
