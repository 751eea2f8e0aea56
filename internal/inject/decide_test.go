package inject

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/naming"
)

func label(key, value string) func(*Input) { return func(in *Input) { in.Pod.Labels[key] = value } }

func annotation(key, value string) func(*Input) {
	return func(in *Input) { in.Pod.Annotations[key] = value }
}

func namespaceLabel(key, value string) func(*Input) {
	return func(in *Input) { in.Namespace.Labels[key] = value }
}

func namespace(name string) func(*Input) { return func(in *Input) { in.Namespace.Name = name } }

func noNamespaceLabel(in *Input) { in.Namespace.Labels = nil }

func hostNetwork(in *Input) { in.Pod.Spec.HostNetwork = true }

func TestDecideSkips(t *testing.T) {
	tests := []struct {
		name  string
		edits []func(*Input)
		want  SkipReason
	}{
		{"namespace opted in", nil, ""},
		{"namespace without label", []func(*Input){noNamespaceLabel}, SkipNotOptedIn},
		{"namespace with another value", []func(*Input){namespaceLabel(naming.LabelInjection, "true")}, SkipNotOptedIn},
		{"pod alone", []func(*Input){noNamespaceLabel, label(naming.LabelInject, "true")}, ""},
		{"pod opted out", []func(*Input){label(naming.LabelInject, "false")}, SkipPodOptOut},
		{"pod opted out, namespace without label", []func(*Input){noNamespaceLabel, label(naming.LabelInject, "false")}, SkipPodOptOut},
		{"namespace disabled wins", []func(*Input){namespaceLabel(naming.LabelInjection, "disabled"), label(naming.LabelInject, "true")}, SkipNamespaceOptOut},
		{"unknown pod label where nobody opted in", []func(*Input){noNamespaceLabel, label(naming.LabelInject, "yes")}, SkipNotOptedIn},
		{"kube-system", []func(*Input){namespace("kube-system"), label(naming.LabelInject, "true")}, SkipSystemNamespace},
		{"kube-public", []func(*Input){namespace("kube-public")}, SkipSystemNamespace},
		{"kube-node-lease", []func(*Input){namespace("kube-node-lease")}, SkipSystemNamespace},
		{"operator's own", []func(*Input){namespace("warifu-system")}, SkipSystemNamespace},
		{"host network", []func(*Input){hostNetwork}, SkipHostNetwork},
		{"mirror pod", []func(*Input){annotation(corev1.MirrorPodAnnotationKey, "x")}, SkipMirrorPod},
		{"host network with labels nobody understands", []func(*Input){hostNetwork, label(naming.LabelDataPlane, "x")}, SkipHostNetwork},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Decide(input(test.edits...))
			if got.Skip != test.want || got.Refusal != nil || (got.Plan != nil) != (test.want == "") {
				t.Errorf("got %+v (refusal %v), want skip %q", got, got.Refusal, test.want)
			}
			if got.Skip != "" && got.Skip.Message() == string(got.Skip) {
				t.Errorf("%s has no words", got.Skip)
			}
		})
	}
}

func TestDecideDataPlane(t *testing.T) {
	tests := []struct {
		name  string
		edits []func(*Input)
		want  string
	}{
		{"settings", nil, naming.DataPlaneNone},
		{"namespace over settings", []func(*Input){namespaceLabel(naming.LabelDataPlane, "sidecar")}, naming.DataPlaneSidecar},
		{"pod over namespace", []func(*Input){namespaceLabel(naming.LabelDataPlane, "sidecar"), label(naming.LabelDataPlane, "none")}, naming.DataPlaneNone},
		{"pod's good value over namespace's bad one", []func(*Input){namespaceLabel(naming.LabelDataPlane, "x"), label(naming.LabelDataPlane, "sidecar")}, naming.DataPlaneSidecar},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Decide(input(test.edits...))
			if got.Plan == nil || got.Plan.DataPlane != test.want {
				t.Fatalf("got %+v, want data plane %s", got, test.want)
			}
		})
	}
}

func TestDecidePlan(t *testing.T) {
	tests := []struct {
		serviceAccount, identity, secret string
	}{
		{"web", "spiffe://cluster.local/ns/shop/sa/web", "warifu-identity-web"},
		{"", "spiffe://cluster.local/ns/shop/sa/default", "warifu-identity-default"},
	}
	for _, test := range tests {
		plan := Decide(input(func(in *Input) { in.Pod.Spec.ServiceAccountName = test.serviceAccount })).Plan
		if plan == nil || plan.Identity != test.identity || plan.IdentitySecret != test.secret {
			t.Errorf("service account %q: got %+v", test.serviceAccount, plan)
		}
	}
}

func TestDecideRefuses(t *testing.T) {
	mount := func(name, path string) func(*Input) {
		return func(in *Input) {
			app(in).VolumeMounts = append(app(in).VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
		}
	}
	env := func(name, value string) func(*Input) {
		return func(in *Input) { app(in).Env = append(app(in).Env, corev1.EnvVar{Name: name, Value: value}) }
	}
	volume := func(name string) func(*Input) {
		return func(in *Input) {
			in.Pod.Spec.Volumes = append(in.Pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		}
	}
	container := func(name string) func(*Input) {
		return func(in *Input) {
			in.Pod.Spec.Containers = append(in.Pod.Spec.Containers, corev1.Container{Name: name})
		}
	}
	initContainer := func(name string) func(*Input) {
		return func(in *Input) {
			in.Pod.Spec.InitContainers = append(in.Pod.Spec.InitContainers, corev1.Container{Name: name})
		}
	}
	port := func(port int32, protocol corev1.Protocol) func(*Input) {
		return func(in *Input) {
			app(in).Ports = append(app(in).Ports, corev1.ContainerPort{ContainerPort: port, Protocol: protocol})
		}
	}
	podContext := func(c corev1.PodSecurityContext) func(*Input) {
		return func(in *Input) { in.Pod.Spec.SecurityContext = &c }
	}
	appContext := func(c corev1.SecurityContext) func(*Input) {
		return func(in *Input) { app(in).SecurityContext = &c }
	}
	const enforce = "pod-security.kubernetes.io/enforce"
	type edits = []func(*Input)

	tests := []struct {
		name   string
		edits  edits
		reason RefusalReason // "": not refused
		field  string
		says   string // part of the message: the way out
	}{
		{"unknown inject label", edits{label(naming.LabelInject, "yes")}, RefusalUnknownLabel, "metadata.labels[warifu.dev/inject]", `use "true" or "false"`},
		{"unknown data plane of the pod", edits{label(naming.LabelDataPlane, "ambient")}, RefusalUnknownLabel, "metadata.labels[warifu.dev/dataplane]", `use "sidecar" or "none"`},
		{"unknown data plane of the namespace", edits{namespaceLabel(naming.LabelDataPlane, "ambient")}, RefusalUnknownLabel, "namespace.metadata.labels[warifu.dev/dataplane]", "not known"},
		{"service account that is no name", edits{func(in *Input) { in.Pod.Spec.ServiceAccountName = "a/b" }}, RefusalIdentity, "spec.serviceAccountName", "DNS"},

		{"container with the proxy's name", edits{container(naming.ContainerProxy)}, RefusalContainer, "spec.containers[1].name", "another name"},
		{"init container with the proxy's name", edits{initContainer(naming.ContainerProxy)}, RefusalContainer, "spec.initContainers[0].name", "dataplane=sidecar"},
		{"forged proxy", edits{sidecar, initContainer(naming.ContainerProxy)}, RefusalContainer, "spec.initContainers[0]", "not what would be injected"},
		{"forged redirect", edits{sidecar, initContainer(naming.ContainerRedirect)}, RefusalContainer, "spec.initContainers[0]", "remove it"},
		{"volume with our name", edits{volume(naming.VolumeTLS)}, RefusalVolume, "spec.volumes[0].name", "another name"},
		{"volume with a name of the other data plane", edits{volume(naming.VolumeState)}, RefusalVolume, "spec.volumes[0].name", "another name"},
		{"mount at our path", edits{mount("x", naming.TLSDir)}, RefusalMount, "spec.containers[0].volumeMounts[0].mountPath", "outside"},
		{"mount inside our path", edits{mount("x", naming.TLSDir+"/sub/")}, RefusalMount, "spec.containers[0].volumeMounts[0].mountPath", "outside"},
		{"mount at our path by the link", edits{mount("x", "/run/secrets/warifu.dev/tls")}, RefusalMount, "spec.containers[0].volumeMounts[0].mountPath", "outside"},
		{"mount at our path by a detour", edits{mount("x", "/var/run/secrets/app/../warifu.dev/tls")}, RefusalMount, "spec.containers[0].volumeMounts[0].mountPath", "outside"},
		{"mount at our path without the slash in front", edits{mount("x", "var/run/secrets/warifu.dev/tls")}, RefusalMount, "spec.containers[0].volumeMounts[0].mountPath", "outside"},
		{"mount above our path", edits{mount("x", "/var/run/secrets")}, "", "", ""},
		{"mount beside our path", edits{mount("x", "/var/run/secrets/warifu.devel")}, "", "", ""},
		{"our path in other words", edits{env(naming.EnvTLSCert, "/etc/tls.crt")}, RefusalEnv, "spec.containers[0].env[0]", "remove it"},
		{"another identity", edits{env(naming.EnvIdentity, "spiffe://cluster.local/ns/shop/sa/admin")}, RefusalEnv, "spec.containers[0].env[0]", "spiffe://cluster.local/ns/shop/sa/web"},
		{"our path in our words", edits{env(naming.EnvTLSCert, naming.TLSDir+"/tls.crt")}, "", "", ""},
		{"a pinned mode", edits{env(naming.EnvMTLSMode, "STRICT")}, "", "", ""},
		{"environment does not matter beside a sidecar", edits{sidecar, env(naming.EnvTLSCert, "/etc/tls.crt")}, "", "", ""},

		{"no proxy image", edits{sidecar, func(in *Input) { in.Settings.ProxyImage = "" }}, RefusalProxyImage, "the operator's setting for the proxy image", "dataplane=none"},
		{"outbound port", edits{sidecar, port(15001, "")}, RefusalPort, "spec.containers[0].ports[0].containerPort", "another one"},
		{"inbound port", edits{sidecar, port(15006, corev1.ProtocolTCP)}, RefusalPort, "spec.containers[0].ports[0].containerPort", "another one"},
		{"admin port", edits{sidecar, port(15020, "")}, RefusalPort, "spec.containers[0].ports[0].containerPort", "another one"},
		{"redirect test port", edits{sidecar, port(15021, "")}, RefusalPort, "spec.containers[0].ports[0].containerPort", "another one"},
		{"the same port of another protocol", edits{sidecar, port(15001, corev1.ProtocolUDP)}, "", "", ""},
		{"no proxy, no reserved port", edits{port(15001, "")}, "", "", ""},
		{"proxy's user, pod", edits{sidecar, podContext(corev1.PodSecurityContext{RunAsUser: ptr.To[int64](1774)})}, RefusalUID, "spec.securityContext.runAsUser", "another one"},
		{"proxy's group, pod", edits{sidecar, podContext(corev1.PodSecurityContext{RunAsGroup: ptr.To[int64](1774)})}, RefusalUID, "spec.securityContext.runAsGroup", "another one"},
		{"proxy's user, container", edits{sidecar, appContext(corev1.SecurityContext{RunAsUser: ptr.To[int64](1774)})}, RefusalUID, "spec.containers[0].securityContext.runAsUser", "another one"},
		{"proxy's group, container", edits{sidecar, appContext(corev1.SecurityContext{RunAsGroup: ptr.To[int64](1774)})}, RefusalUID, "spec.containers[0].securityContext.runAsGroup", "another one"},
		{"restricted namespace", edits{sidecar, namespaceLabel(enforce, "restricted")}, RefusalPodSecurity, "namespace.metadata.labels[" + enforce + "]", "dataplane=none"},
		{"baseline namespace", edits{sidecar, namespaceLabel(enforce, "baseline")}, RefusalPodSecurity, "namespace.metadata.labels[" + enforce + "]", "dataplane=none"},
		{"privileged namespace", edits{sidecar, namespaceLabel(enforce, "privileged")}, "", "", ""},
		{"restricted namespace without sidecar", edits{namespaceLabel(enforce, "restricted")}, "", "", ""},
		{"Windows", edits{sidecar, func(in *Input) { in.Pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }}, RefusalOS, "spec.os.name", "dataplane=none"},
		{"the key in the application", edits{sidecar, mount(naming.VolumeTLS, "/etc/tls")}, RefusalKeyMount, "spec.containers[0].volumeMounts[0].name", "dataplane=none"},
		{"the key at another path too", edits{mount(naming.VolumeTLS, "/etc/tls")}, "", "", ""},

		{"excluded port that is allowed", edits{sidecar, annotation(naming.AnnotationExcludeInboundPorts, "9090")}, "", "", ""},
		{"excluded port that is not allowed", edits{sidecar, annotation(naming.AnnotationExcludeInboundPorts, "9090,8080")}, RefusalExclusion, "metadata.annotations[warifu.dev/exclude-inbound-ports]", "allowed: 9090"},
		{"excluded port that is none", edits{sidecar, annotation(naming.AnnotationExcludeOutboundPorts, "http")}, RefusalExclusion, "metadata.annotations[warifu.dev/exclude-outbound-ports]", "1 to 65535"},
		{"port 0", edits{sidecar, annotation(naming.AnnotationExcludeOutboundPorts, "0")}, RefusalExclusion, "metadata.annotations[warifu.dev/exclude-outbound-ports]", "1 to 65535"},
		{"port too high", edits{sidecar, annotation(naming.AnnotationExcludeOutboundPorts, "65536")}, RefusalExclusion, "metadata.annotations[warifu.dev/exclude-outbound-ports]", "1 to 65535"},
		{"excluded range that is none", edits{sidecar, annotation(naming.AnnotationExcludeOutboundCIDRs, "10.0.0.1")}, RefusalExclusion, "metadata.annotations[warifu.dev/exclude-outbound-cidrs]", "10.0.0.0/8"},
		{"exclusions do not matter without a proxy", edits{annotation(naming.AnnotationExcludeInboundPorts, "x")}, "", "", ""},
		{"wait without a port", edits{sidecar, annotation(naming.AnnotationClientWait, "3306=0s,1s")}, RefusalWait, "metadata.annotations[warifu.dev/client-wait]", `"1s" has no wait; write PORT=WAIT`},
		{"wait at no port", edits{sidecar, annotation(naming.AnnotationClientWait, "mysql=0s")}, RefusalWait, "metadata.annotations[warifu.dev/client-wait]", `"mysql" is not a port`},
		{"wait for too long", edits{sidecar, annotation(naming.AnnotationClientWait, "3306=2m")}, RefusalWait, "metadata.annotations[warifu.dev/client-wait]", `"2m" is not a wait; write one of 0s to 1m0s`},
		{"wait twice", edits{sidecar, annotation(naming.AnnotationClientWait, "3306=0s,3306=1s")}, RefusalWait, "metadata.annotations[warifu.dev/client-wait]", "port 3306 is there twice"},
		{"waits", edits{sidecar, annotation(naming.AnnotationClientWait, " 3306=0s, 9000=1m ")}, "", "", ""},
		{"waits do not matter without a proxy", edits{annotation(naming.AnnotationClientWait, "x")}, "", "", ""},
		{"proxy volume that is not there", edits{sidecar, annotation(naming.AnnotationProxyVolumes, "certs")}, RefusalProxyVolume, "metadata.annotations[warifu.dev/proxy-volumes]", `no volume "certs"`},
		{"proxy volume that is ours", edits{sidecar, annotation(naming.AnnotationProxyVolumes, naming.VolumeTLS)}, RefusalProxyVolume, "metadata.annotations[warifu.dev/proxy-volumes]", "own"},
		{"proxy volume", edits{sidecar, volume("certs"), annotation(naming.AnnotationProxyVolumes, "certs")}, "", "", ""},
		{"probe that asks the proxy already", edits{sidecar, func(in *Input) {
			app(in).ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/app-health/app/readyz", Port: intstr.FromInt32(15020)}}}
		}}, RefusalProbe, "spec.containers[0]", "own probe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := input(test.edits...)
			before := in.Pod.DeepCopy()
			got := Decide(in)
			if diff := cmp.Diff(before, in.Pod); diff != "" {
				t.Errorf("Decide changed the pod:\n%s", diff)
			}
			if test.reason == "" {
				if got.Plan == nil {
					t.Fatalf("not injected: skip %q, refusal %v", got.Skip, got.Refusal)
				}
				return
			}
			if got.Refusal == nil {
				t.Fatalf("got %+v, want refusal %s", got, test.reason)
			}
			if got.Refusal.Reason != test.reason || got.Refusal.Field != test.field || !strings.Contains(got.Refusal.Message, test.says) {
				t.Errorf("got %s at %q: %s\nwant %s at %q: …%s…", got.Refusal.Reason, got.Refusal.Field, got.Refusal.Message, test.reason, test.field, test.says)
			}
		})
	}
}
