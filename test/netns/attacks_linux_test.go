package netns

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/ca"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// arena is a server with a witness beside its application, and those who attack it: from pods with a proxy, and from one without.
type arena struct {
	*world
	namespace               string
	server                  *kubelet.Pod
	witness                 *witness
	orders, guest, stranger *kubelet.Pod
	// authority is the mesh's own CA, which signs here what it never would.
	authority *ca.CA
}

// TestAttacks: what has broken systems like this one does not get past the proxies, on real sockets and with the real policies.
// A class of attacks that needs no network to be shown is not repeated here:
//
//	forms of a path                     authz: TestNormalizePath, TestNormalizePathRefuses, FuzzNormalizePath
//	values of headers, bytes, order     authz: TestKnownBypasses
//	framing of HTTP/1                   http: TestRefused, TestAgainstNetHTTP, FuzzHTTP1
//	framing and states of HTTP/2        http: TestHTTP2MalformedRequests, TestHTTP2Abuse, TestHTTP2Amplification, TestHTTP2BodyLength
//	what the application answers        http: TestMismatchedAgreement
//	what begins like a ClientHello      sniff: TestHello, FuzzHello
//	names of identities                 identity: TestParse
//	no trust material at the start      mtls: TestFileSourceRefusesToStartWithout
//	what an old proxy does not know     controlapi/wire: TestDecodingIsStrict
//	a replica that lags behind          controlapi: TestLaggingReplicaUndoesNothing
//	addresses of loopback from outside  redirect: TestLoopbackFromOutside
//	paths to another's identity         test/chart: TestGuards
func TestAttacks(t *testing.T) {
	a := newArena(t)
	t.Run("paths", a.paths)
	t.Run("hosts and methods", a.hostsAndMethods)
	t.Run("headers", a.headers)
	t.Run("forged identities", a.forgedIdentities)
	t.Run("addresses", a.addresses)
	t.Run("framing", a.framing)
	t.Run("clients' certificates", a.clientsCertificates)
	t.Run("servers' certificates", a.serversCertificates)
	t.Run("resumption", a.resumption)
	t.Run("ClientHello", a.clientHello)
	t.Run("a late ClientHello", a.lateClientHello)
	t.Run("domain fronting", a.fronting)
	t.Run("rules", a.rules)
	t.Run("floods", a.floods)
	t.Run("the proxy's ports", a.ports)
	t.Run("the admin port", a.adminPort)
	t.Run("the control API", a.controlAPI)
	t.Run("files of trust", a.trustFiles)
	t.Run("downgrade", a.downgrade)
}

func newArena(t *testing.T) *arena {
	t.Helper()
	w := newWorld(t)
	a := &arena{world: w, namespace: w.namespace(t)}
	a.server, _ = w.server(t, a.namespace, "payments", true)
	a.orders, a.guest = w.pod(t, a.namespace, "orders", true), w.pod(t, a.namespace, "guest", true)
	a.stranger = w.pod(t, a.namespace, "stranger", false)
	w.create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "witness"},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "payments"}, Ports: []corev1.ServicePort{
			{Name: "http-witness", Port: witnessHTTP}, {Name: "tcp-strict", Port: witnessStrict}, {Name: "tcp-members", Port: witnessMembers},
			{Name: "tcp-issuer", Port: witnessIssuer},
		}},
	})
	a.witness = newWitness(t, a.server)
	var secret corev1.Secret
	if err := w.Client.Get(t.Context(), client.ObjectKey{Namespace: naming.DefaultNamespace, Name: naming.SecretCA}, &secret); err != nil {
		t.Fatal(err)
	}
	a.authority = ca.Load(t, pki.Files{Cert: secret.Data[naming.FileCert], Key: secret.Data[naming.FileKey], CA: secret.Data[naming.FileCA]})
	w.apply(t, a.policies())
	return a
}

// policies are in force throughout: each attack is on one of their rules, or on the mode of a port.
func (a *arena) policies() string {
	return fmt.Sprintf(`---
apiVersion: warifu.dev/v1alpha1
kind: PeerAuthentication
metadata: {namespace: %[1]s, name: payments}
spec: {selector: {matchLabels: {app: payments}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {"%[3]d": {mode: STRICT}}}
---
apiVersion: warifu.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {namespace: %[1]s, name: closed}
spec:
  selector: {matchLabels: {app: payments}}
  action: DENY
  rules:
  - to: [{operation: {ports: ["%[2]d"], paths: ["/admin*"]}}]
  - to: [{operation: {ports: ["%[2]d"], methods: [DELETE]}}]
  - to: [{operation: {ports: ["%[2]d"], hosts: [secret.example]}}]
  - to: [{operation: {ports: ["%[2]d"]}}]
    when: [{key: "request.headers[x-env]", values: [prod]}]
  - to: [{operation: {ports: ["%[2]d"], paths: ["/role"]}}]
    when: [{key: "request.headers[x-role]", notValues: [user]}]
  - from: [{source: {notPrincipals: ["cluster.local/ns/%[1]s/sa/orders"]}}]
    to: [{operation: {ports: ["%[2]d"], paths: ["/members"]}}, {operation: {ports: ["%[4]d"]}}]
  - from: [{source: {notNamespaces: ["%[1]s"]}}]
    to: [{operation: {ports: ["%[2]d"], paths: ["/neighbours"]}}]
  - from: [{source: {notIpBlocks: ["%[8]s"]}}]
    to: [{operation: {ports: ["%[2]d"], paths: ["/near"]}}]
  - from: [{source: {principals: ["*/sa/guest"]}}]
    to: [{operation: {ports: ["%[5]d"]}}]
  - to: [{operation: {ports: ["%[6]d"]}}]
    when: [{key: connection.sni, values: [secret.example]}]
---
apiVersion: warifu.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {namespace: %[1]s, name: open}
spec:
  selector: {matchLabels: {app: payments}}
  rules:
  - to: [{operation: {notPorts: ["%[7]d"]}}]
  - from: [{source: {serviceAccounts: ["%[1]s/cert-manager.io"]}}]
    to: [{operation: {ports: ["%[7]d"]}}]
`, a.namespace, witnessHTTP, witnessStrict, witnessMembers, appEcho, appTLS, witnessIssuer, a.orders.Net.IPv4)
}

// attackers try the same: one on whose behalf a proxy speaks, and one who speaks to the server's proxy in its own words.
func (a *arena) attackers() map[string]*kubelet.Pod {
	return map[string]*kubelet.Pod{"a pod with a proxy": a.orders, "a pod without": a.stranger}
}
