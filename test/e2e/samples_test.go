package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	applied := []string{"workloads/shop.yaml", "peerauthentication.yaml", "destinationrule.yaml", "authorizationpolicy.yaml"}
	const rehearsed = "trustdomain.yaml" // the load needs another
	noOthers(t, samples, append(applied, rehearsed))
	for _, path := range applied {
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
	p.kubectl("apply", "--dry-run=server", "--filename="+filepath.Join(samples, rehearsed))
	p.wait("condition=Ready", "pod/frontend", "pod/orders", "pod/payments")
	for _, object := range []string{"peerauthentication/default", "peerauthentication/payments", "destinationrule/payments", "authorizationpolicy/payments"} {
		p.wait("condition=Accepted", object)
	}
	p.samplesAnswer("orders", "post", "http://payments/charge", "200 OK")
	p.samplesAnswer("orders", "get", "http://payments/healthz", "200 OK")
	p.samplesAnswer("frontend", "post", "http://payments/charge", "RBAC: access denied")
	p.samplesAnswer("frontend", "get", "http://payments/healthz", "200 OK")
}

// noOthers fails the test when the folder has a file besides.
func noOthers(t *testing.T, folder string, files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err == nil && !slices.Contains(files, filepath.ToSlash(name)) {
			t.Errorf("the sample %s is not tried", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
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
