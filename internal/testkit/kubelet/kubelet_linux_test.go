package kubelet

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/cluster"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// TestPod is the life of an injected pod, with a stand-in for the proxy.
func TestPod(t *testing.T) {
	network := podnet.New(t)
	c := cluster.Require(t)
	node := New(t, Options{Network: network, Client: c.Client, Proxy: standIn(t), Labels: map[string]string{corev1.LabelTopologyZone: "here"}})
	namespace := c.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})
	stored := injected(t, namespace)
	create(t, c, stored)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.IdentitySecret("default")},
		Data:       map[string][]byte{naming.FileCert: []byte("certificate 1"), naming.FileKey: []byte("key"), naming.FileCA: []byte("roots")},
	}
	create(t, c, secret)
	create(t, c, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: stored.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	})

	pod := node.Run(t, stored)

	t.Run("the proxy runs as what the pod says", func(t *testing.T) {
		want := fmt.Sprintf("uid %d pod %s/%s %s\n", naming.ProxyUID, namespace, stored.Name, stored.UID)
		if got := pod.Proxy().Stdout(); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	})
	t.Run("the application's container", func(t *testing.T) { inContainer(t, pod) })
	t.Run("the token is the pod's", func(t *testing.T) { tokenIsPods(t, c, pod) })
	t.Run("the cluster sends requests to it", func(t *testing.T) {
		waitUntil(t, func() error { return endpoints(t, c, namespace, pod.Net.IPv4.String(), true) })
		if err := pod.SetReady(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, func() error { return endpoints(t, c, namespace, pod.Net.IPv4.String(), false) })
	})
	t.Run("a changed Secret", func(t *testing.T) {
		secret.Data[naming.FileCert] = []byte("certificate 2")
		if err := c.Client.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if got := certificate(t, pod); got != "certificate 1" {
			t.Errorf("before the refresh the proxy reads %q", got)
		}
		if err := pod.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := certificate(t, pod); got != "certificate 2" {
			t.Errorf("after the refresh the proxy reads %q", got)
		}
	})
	pod.Proxy().Kill()
	pod.StartProxy(t)
	if err := pod.AwaitStarted(t.Context()); err != nil {
		t.Errorf("the proxy again: %v", err)
	}
	t.Run("the end", func(t *testing.T) { ends(t, c, pod) })
}

// inContainer looks around in the application's container.
func inContainer(t *testing.T, pod *Pod) {
	for _, tc := range []struct{ name, script, want string }{
		{"user", "id -u", "1000"},
		{"environment", "echo $GREETING", "hello web"},
		{"a volume", "cat /run/config/file", "content"},
		{"the API token", "wc -l < /var/run/secrets/kubernetes.io/serviceaccount/namespace", "0"},
		{"no identity", "ls " + naming.SecretsDir + " 2>&1 | grep -c 'No such file'", "1"},
		{"the pod's address", "hostname >/dev/null; grep -c " + pod.Net.IPv4.String() + " /proc/net/fib_trie | head -1 | grep -c '[1-9]'", "1"},
	} {
		out, err := pod.Exec(t.Context(), "app", podnet.Command{Path: "sh", Args: []string{"-c", tc.script}})
		if got := strings.TrimSpace(out); err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
	if _, err := pod.Exec(t.Context(), "none", podnet.Command{Path: "true"}); err == nil {
		t.Error("a container that does not exist runs programs")
	}
}

// tokenIsPods lets the API server say whose the token is.
func tokenIsPods(t *testing.T, c *cluster.Cluster, pod *Pod) {
	token, err := pod.Exec(t.Context(), naming.ContainerProxy, podnet.Command{
		Path: "cat", Args: []string{naming.TokenDir + "/" + naming.FileToken},
	})
	if err != nil {
		t.Fatal(err)
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{naming.ControlAudience}}}
	if err := c.Client.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	uid := review.Status.User.Extra["authentication.kubernetes.io/pod-uid"]
	if !review.Status.Authenticated || len(uid) != 1 || uid[0] != string(pod.Object().UID) {
		t.Errorf("the API server says %+v", review.Status)
	}
}

// ends stops the pod; the application finds the proxy still there.
func ends(t *testing.T, c *cluster.Cluster, pod *Pod) {
	app := pod.Start(t, "app", podnet.Command{Path: "sh", Args: []string{"-c",
		"trap 'test -d /proc/" + fmt.Sprint(pod.Proxy().PID()) + "/task && echo proxy is there; exit 0' TERM; echo ready; while :; do sleep 0.01; done"}})
	dies := pod.Start(t, "app", podnet.Command{Path: "sleep", Args: []string{"1000"}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := app.WaitForOutput(ctx, "ready"); err != nil {
		t.Fatal(err)
	}
	if err := pod.Stop(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(app.Stdout(), "proxy is there") {
		t.Errorf("the application says %q: it did not end before the proxy", app.Stdout())
	}
	if !strings.Contains(pod.Proxy().Stdout(), "asked to end") {
		t.Errorf("the proxy says %q: it was not asked", pod.Proxy().Stdout())
	}
	<-dies.Done()
	err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(pod.Object()), &corev1.Pod{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("looking for the pod: %v, want not found", err)
	}
}

// TestProxyThatDoesNotStart: whoever waits is told at once, with what the proxy said.
func TestProxyThatDoesNotStart(t *testing.T) {
	network := podnet.New(t)
	c := cluster.Require(t)
	program, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	node := New(t, Options{Network: network, Client: c.Client, Proxy: program})
	namespace := c.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})
	stored := injected(t, namespace)
	stored.Spec.InitContainers = stored.Spec.InitContainers[1:] // a redirect that fails would end the test
	create(t, c, stored)
	create(t, c, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.IdentitySecret("default")},
		Data:       map[string][]byte{naming.FileCert: {}, naming.FileKey: {}, naming.FileCA: {}},
	})
	pod := node.Launch(t, stored)
	if err := pod.AwaitStarted(t.Context()); err == nil || !strings.Contains(err.Error(), "the proxy has ended") {
		t.Errorf("got %v", err)
	}
}

// injected is a pod as the webhook would have it.
func injected(t *testing.T, namespace string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"content": "content"}},
		Spec: corev1.PodSpec{
			ServiceAccountName: "default",
			SecurityContext:    &corev1.PodSecurityContext{RunAsUser: new(int64(1000))},
			Containers: []corev1.Container{{
				Name: "app", Image: "app:1",
				Env:          []corev1.EnvVar{{Name: "WHO", Value: "web"}, {Name: "GREETING", Value: "hello $(WHO)"}},
				VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/run/config"}},
			}},
			Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
				Items: []corev1.DownwardAPIVolumeFile{{Path: "file", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['content']"}}},
			}}}},
		},
	}
	outcome := inject.Decide(inject.Input{
		Pod: pod,
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: namespace, Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled},
		}},
		Settings: inject.Settings{
			RootNamespace: naming.DefaultNamespace, TrustDomain: "cluster.local", DefaultDataPlane: naming.DataPlaneSidecar,
			ProxyImage: "proxy:1", ProxyImagePullPolicy: corev1.PullIfNotPresent,
			ControlAddress: "control:1", ControlIdentity: "spiffe://cluster.local/ns/warifu-system/sa/warifu-operator",
		},
		Mode: proxyconfig.Strict, ClientMode: proxyconfig.ClientIstioMutual,
	})
	if outcome.Plan == nil {
		t.Fatalf("not injected: %+v", outcome)
	}
	inject.Apply(outcome.Plan, pod)
	return pod
}

func create(t *testing.T, c *cluster.Cluster, object client.Object) {
	t.Helper()
	if err := c.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// certificate is what the running proxy reads.
func certificate(t *testing.T, pod *Pod) string {
	t.Helper()
	transport := &http.Transport{DialContext: pod.Net.DialContext, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/certificate", naming.PortAdmin), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if err := response.Write(&text); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(text.String(), "\r\n\r\n")
	return body
}

// endpoints is an error unless the Service has the address, ready or not.
func endpoints(t *testing.T, c *cluster.Cluster, namespace, address string, ready bool) error {
	t.Helper()
	out, err := c.Kubectl(t.Context(), "", "get", "endpointslices", "-n", namespace, "-o",
		"jsonpath={range .items[*].endpoints[*]}{.addresses[0]} {.conditions.ready} {.zone}{end}")
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%s %t here", address, ready); out != want {
		return fmt.Errorf("endpoints %q, want %q", out, want)
	}
	return nil
}

func waitUntil(t *testing.T, ok func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := until(ctx, ok); err != nil {
		t.Error(err)
	}
}
