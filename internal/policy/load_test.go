package policy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

var testSettings = Settings{RootNamespace: "warifu-system", TrustDomain: "td", ClusterDomain: "cluster.local"}

// load fills an index from YAML documents and calls other for those of kinds that the index does not know.
func load(t *testing.T, ix *Index, text string, other func(kind string, document []byte)) {
	t.Helper()
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var head struct{ Kind string }
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		switch head.Kind {
		case "": // a comment
			if len(bytes.TrimSpace(document)) > 0 && !bytes.HasPrefix(bytes.TrimSpace(document), []byte("#")) {
				t.Fatalf("document without a kind:\n%s", document)
			}
		case v1alpha1.KindPeerAuthentication:
			ix.SetPeerAuthentication(decode[v1alpha1.PeerAuthentication](t, document))
		case v1alpha1.KindDestinationRule:
			ix.SetDestinationRule(decode[v1alpha1.DestinationRule](t, document))
		case v1alpha1.KindAuthorizationPolicy:
			ix.SetAuthorizationPolicy(decode[v1alpha1.AuthorizationPolicy](t, document))
		case KindNamespace:
			ix.SetNamespace(NamespaceOf(decode[corev1.Namespace](t, document)))
		case KindPod:
			ix.SetWorkload(WorkloadOf(decode[corev1.Pod](t, document)))
		case KindService:
			ix.SetService(ServiceOf(decode[corev1.Service](t, document)))
		case KindEndpointSlice:
			ix.SetEndpointSlice(EndpointSliceOf(decode[discoveryv1.EndpointSlice](t, document)))
		default:
			if other == nil {
				t.Fatalf("no use for kind %s", head.Kind)
			}
			other(head.Kind, document)
		}
	}
}

func decode[T any](t *testing.T, document []byte) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict(document, out); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return out
}

// build is an index of the documents.
func build(t *testing.T, documents ...string) *Index {
	t.Helper()
	ix := NewIndex(testSettings)
	load(t, ix, strings.Join(documents, "\n---\n"), nil)
	return ix
}

// parseName reads namespace/name.
func parseName(t *testing.T, text string) types.NamespacedName {
	t.Helper()
	namespace, name, ok := strings.Cut(text, "/")
	if !ok {
		t.Fatalf("%q is not namespace/name", text)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// proxied is a pod with the proxy, listening on 8080; labels are written key=value.
func proxied(name string, labels ...string) string {
	return pod(name, "{initContainers: [{name: warifu-proxy}], containers: [{name: app, ports: [{name: web, containerPort: 8080}]}]}", labels...)
}

// bare is a pod without the proxy.
func bare(name string, labels ...string) string {
	return pod(name, "{containers: [{name: app, ports: [{name: web, containerPort: 8080}]}]}", labels...)
}

func pod(name, spec string, labels ...string) string {
	namespace, short, _ := strings.Cut(name, "/")
	pairs := make([]string, len(labels))
	for i, l := range labels {
		pairs[i] = strings.Replace(l, "=", ": ", 1)
	}
	return "{kind: Pod, metadata: {namespace: " + namespace + ", name: " + short + ", labels: {" + strings.Join(pairs, ", ") + "}}, spec: " + spec + "}"
}

// object is a document of one of our kinds. A name is namespace/name, followed by @seconds for an age.
func object(kind, name, spec string) string {
	name, age, _ := strings.Cut(name, "@")
	namespace, short, _ := strings.Cut(name, "/")
	created := ""
	if age != "" {
		created = ", creationTimestamp: \"2026-01-01T00:00:" + age + "Z\""
	}
	return "{kind: " + kind + ", metadata: {namespace: " + namespace + ", name: " + short + created + "}, spec: " + spec + "}"
}

func pa(name, spec string) string { return object(v1alpha1.KindPeerAuthentication, name, spec) }
func dr(name, spec string) string { return object(v1alpha1.KindDestinationRule, name, spec) }
func ap(name, spec string) string { return object(v1alpha1.KindAuthorizationPolicy, name, spec) }

// svc is a Service that selects app=<its name>, from port 80 to 8080.
func svc(name string) string {
	_, short, _ := strings.Cut(name, "/")
	return object(KindService, name, "{selector: {app: "+short+"}, ports: [{name: http, port: 80, targetPort: 8080}]}")
}

// ref names an object by the builder of its kind.
func ref(builder func(name, spec string) string, name string) proxyconfig.ObjectRef {
	kind, _, _ := strings.Cut(strings.TrimPrefix(builder("", ""), "{kind: "), ",")
	namespace, short, _ := strings.Cut(name, "/")
	return proxyconfig.ObjectRef{Kind: kind, Namespace: namespace, Name: short}
}
