package netns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/kubelet"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// landscape has a server for each value of level, mode and proxied, and a client for each of rule and proxied.
type landscape struct {
	*world
	// spaces are the namespaces, by what is special about them.
	spaces  map[string]string
	servers map[serverKey]*server
	clients map[clientKey]*kubelet.Pod
	files   map[string][]byte // the applications' certificate, and who signed it
	pending []func()          // pods that have been launched and not started yet
}

type serverKey struct {
	level, mode string
	proxied     bool
}

type clientKey struct {
	rule    string
	proxied bool
}

// server is a pod with the application, behind a Service of its name.
type server struct {
	pod     *kubelet.Pod
	service *corev1.Service
}

// reach is where a client finds a port: the Service, or, without a proxy of its own to choose an endpoint, the pod.
func (s *server) reach(proxied bool, port uint16) netip.AddrPort {
	if proxied {
		return netip.AddrPortFrom(netip.MustParseAddr(s.service.Spec.ClusterIP), port)
	}
	return netip.AddrPortFrom(s.pod.Net.IPv4, port)
}

func newLandscape(t *testing.T) *landscape {
	t.Helper()
	files, err := ownCertificate()
	if err != nil {
		t.Fatal(err)
	}
	l := &landscape{
		world: newWorld(t), files: files, spaces: map[string]string{},
		servers: map[serverKey]*server{}, clients: map[clientKey]*kubelet.Pod{},
	}
	var policies strings.Builder
	l.spaces["mesh"] = l.namespace(t)
	for _, mode := range modes {
		l.spaces[mode] = l.namespace(t)
		policies.WriteString(l.modeOf(mode, "default", "", mode))
	}
	for _, proxied := range []bool{true, false} {
		l.serve(t, "mesh", serverKey{"mesh", "", proxied})
		for _, mode := range modes {
			l.serve(t, mode, serverKey{"namespace", mode, proxied})
			l.serve(t, around(mode), serverKey{"workload", mode, proxied})
			l.serve(t, around(around(mode)), serverKey{"port", mode, proxied})
		}
	}
	for _, mode := range modes {
		policies.WriteString(l.modeOf(around(mode), "workload", "workload", mode))
		policies.WriteString(l.portModes(mode))
	}
	for _, rule := range rules {
		l.spaces["rule "+rule] = l.namespace(t)
		l.call(t, rule)
		policies.WriteString(l.rule(rule))
	}
	for _, start := range l.pending {
		start()
	}
	l.apply(t, policies.String())
	return l
}

// launch starts a pod; it is ready once pending was called.
func (l *landscape) launch(t *testing.T, pod *corev1.Pod) *kubelet.Pod {
	t.Helper()
	l.account(t, pod.Namespace, pod.Name)
	l.create(t, pod)
	launched := watch(t, l.node.Launch(t, pod))
	l.pending = append(l.pending, func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := errors.Join(launched.AwaitStarted(ctx), launched.SetReady(ctx, true)); err != nil {
			t.Fatal(err)
		}
	})
	return launched
}

func (l *landscape) serve(t *testing.T, space string, key serverKey) {
	t.Helper()
	namespace, name := l.spaces[space], key.level
	if !key.proxied {
		name += "-bare"
	}
	pod := podOf(namespace, name, key.proxied)
	pod.Labels["level"] = key.level
	s := &server{service: l.service(t, namespace, name)}
	s.pod = l.launch(t, pod)
	l.servers[key] = s
	l.pending = append(l.pending, func() {
		process := s.pod.Start(t, "app", podnet.Command{Path: os.Args[0], Env: applicationEnv(
			envCertificate+"="+string(l.files[naming.FileCert]), envKey+"="+string(l.files[naming.FileKey]))})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := process.WaitForOutput(ctx, "serving"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "endpoints of "+name, func() error { return l.hasEndpoint(t.Context(), namespace, name) })
	})
}

// call runs the clients of a DestinationRule, which have the files that MUTUAL and SIMPLE need.
func (l *landscape) call(t *testing.T, rule string) {
	t.Helper()
	namespace := l.spaces["rule "+rule]
	l.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "files"}, Data: l.files})
	for _, proxied := range []bool{true, false} {
		name := map[bool]string{true: "client", false: "client-bare"}[proxied]
		pod := podOf(namespace, name, proxied)
		if proxied {
			pod.Annotations = map[string]string{naming.AnnotationProxyVolumes: "files"}
			pod.Spec.Volumes = []corev1.Volume{{Name: "files", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "files"}}}}
		}
		l.clients[clientKey{rule, proxied}] = l.launch(t, pod)
	}
}

// modeOf is a PeerAuthentication for a namespace, or for the servers of a level in it. none is no object.
func (l *landscape) modeOf(space, name, level, mode string) string {
	if mode == none {
		return ""
	}
	return peerAuthentication(l.spaces[space], name, selector(level)+"mtls: {mode: "+mode+"}")
}

// portModes says of each port of a server something else than of the server.
func (l *landscape) portModes(mode string) string {
	var fields []string
	if workload := around(mode); workload != none {
		fields = append(fields, "mtls: {mode: "+workload+"}")
	}
	if mode != none {
		var ports []string
		for _, port := range []int{appHTTP, appTLS, appTell, appGreet} {
			ports = append(ports, fmt.Sprintf("%q: {mode: %s}", fmt.Sprint(port), mode))
		}
		fields = append(fields, "portLevelMtls: {"+strings.Join(ports, ", ")+"}")
	}
	return peerAuthentication(l.spaces[around(around(mode))], "port", selector("port")+strings.Join(fields, ", "))
}

func selector(level string) string {
	if level == "" {
		return ""
	}
	return "selector: {matchLabels: {level: " + level + "}}, "
}

func peerAuthentication(namespace, name, spec string) string {
	return fmt.Sprintf("---\napiVersion: warifu.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {namespace: %s, name: %s}\nspec: {%s}\n", namespace, name, spec)
}

// rule is a DestinationRule for all that the clients of a namespace dial. none is no object.
func (l *landscape) rule(mode string) string {
	tls := "mode: " + mode
	file := func(name string) string { return naming.VolumesDir + "/files/" + name }
	switch mode {
	case none:
		return ""
	case "MUTUAL":
		tls += ", clientCertificate: " + file(naming.FileCert) + ", privateKey: " + file(naming.FileKey)
		fallthrough
	case "SIMPLE":
		tls += ", caCertificates: " + file(naming.FileCA) + ", subjectAltNames: [" + appName + "]"
	}
	return fmt.Sprintf("---\napiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {namespace: %s, name: all}\n"+
		"spec: {host: \"*.svc.cluster.local\", trafficPolicy: {tls: {%s}}}\n", l.spaces["rule "+mode], tls)
}
