package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/internal/naming"
)

// bundle leaves what there is to know about a failed test, and returns the folder. What cannot be asked for is said there.
// Keys are not in it: of identities it has the certificates alone.
func bundle(ctx context.Context, test string, namespaces ...string) string {
	folder := filepath.Join(world.results, strings.ReplaceAll(test, "/", "-"))
	keep := func(name string, args ...string) {
		out, err := world.kubectl(ctx, "", args...)
		if err != nil {
			out += fmt.Sprintf("\n%v\n", err)
		}
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err == nil {
			_ = os.WriteFile(path, []byte(out), 0o600)
		}
	}
	certificates := `{range .items[*]}{.metadata.name}{"\n"}{.data.tls\.crt}{"\n"}{.data.ca\.crt}{"\n"}{end}`
	for _, namespace := range append(namespaces, naming.DefaultNamespace) {
		in := "--namespace=" + namespace
		keep(namespace+"/objects.yaml", "get", "all,endpointslices,serviceaccounts,peerauthentications,destinationrules,authorizationpolicies", in, "--output=yaml")
		keep(namespace+"/events", "get", "events", in, "--sort-by=.metadata.creationTimestamp")
		keep(namespace+"/pods", "get", "pods", in, "--output=wide")
		keep(namespace+"/certificates", "get", "secrets", in, "--selector="+naming.LabelKind+"="+naming.KindIdentity, "--output=jsonpath="+certificates)
		pods, _ := world.kubectl(ctx, "", "get", "pods", in, "--output=name")
		for pod := range strings.FieldsSeq(pods) {
			name := filepath.Join(namespace, filepath.Base(pod))
			keep(name+".log", "logs", pod, in, "--all-containers", "--prefix", "--timestamps", "--tail=400")
			keep(name+".before.log", "logs", pod, in, "--all-containers", "--prefix", "--previous", "--tail=100")
		}
		if err := keepProxies(ctx, namespace, filepath.Join(folder, namespace)); err != nil {
			fmt.Println("proxy configurations are not in the bundle:", err)
		}
	}
	keep("nodes", "describe", "nodes")
	keep("trustdomains.yaml", "get", "trustdomains", "--output=yaml")
	return folder
}
