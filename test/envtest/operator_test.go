package envtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestOperator is the main job, from an empty cluster: the chart is installed, two replicas run, a namespace opts in, and its
// ServiceAccounts get identities, its pods TLS material and modes, its policies a status. In the end the leader goes, and
// the other replica takes over.
func TestOperator(t *testing.T) {
	in := install(t, cluster.Require(t))
	first := in.start(t, in.webhook)
	second := in.start(t, freeAddress(t))
	shop := in.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})

	t.Run("a ServiceAccount has an identity ahead of its first pod", func(t *testing.T) {
		in.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "cart"}})
		in.identityIs(t, shop, "cart", "spiffe://cluster.local/ns/"+shop+"/sa/cart")
	})
	t.Run("a pod is injected", func(t *testing.T) { in.podIsInjected(t, shop) })
	t.Run("a pod of another namespace is left alone", func(t *testing.T) {
		elsewhere := in.Namespace(t, nil)
		pod := newPod(elsewhere, "plain")
		in.create(t, pod)
		if len(pod.Annotations) > 0 || hasVolume(pod, naming.VolumeTLS) {
			t.Errorf("injected: %v %v", pod.Annotations, pod.Spec.Volumes)
		}
	})
	t.Run("a pod of before the opting in is told", func(t *testing.T) { in.earlyPodIsTold(t) })
	t.Run("a policy reaches the pod and says so", func(t *testing.T) { in.policyReachesPod(t, shop) })
	t.Run("a policy that cannot be obeyed is refused", func(t *testing.T) {
		_, err := in.Kubectl(t.Context(), `
apiVersion: warifu.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: broken, namespace: `+shop+`}
spec: {rules: [{from: [{source: {principals: ["spiffe://cluster.local/ns/a/sa/b"]}}]}]}
`, "apply", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), "spec.rules[0].from[0].source.principals[0]") {
			t.Errorf("got %v, want a refusal that names the field", err)
		}
	})
	t.Run("the trust domain is ready", func(t *testing.T) { in.trustDomainIsReady(t) })
	t.Run("metrics are for those who may", func(t *testing.T) { in.metricsAreProtected(t, first) })
	t.Run("the replica that does not lead answers admission and writes nothing", func(t *testing.T) {
		in.admits(t, second, shop)
		if made := second.writes.all(); len(made) > 0 {
			t.Errorf("it wrote: %s", strings.Join(made, ", "))
		}
		if len(first.writes.all()) == 0 {
			t.Error("the leader wrote nothing either: the recorder is broken")
		}
	})
	t.Run("proxies are served by every replica", func(t *testing.T) { in.proxiesAreServed(t, first, second, shop) })
	t.Run("when the leader ends, the other takes over", func(t *testing.T) {
		begin := time.Now()
		if err := first.stop(); err != nil {
			t.Errorf("the leader ended with: %v", err)
		}
		in.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "late"}})
		in.identityIs(t, shop, "late", "spiffe://cluster.local/ns/"+shop+"/sa/late")
		t.Logf("an identity from the new leader after %s", time.Since(begin).Round(time.Millisecond))
	})
	t.Run("a replica that has lost its lease ends", func(t *testing.T) {
		in.stealLease(t)
		select {
		case err := <-second.ended:
			if err == nil {
				t.Error("it ended without saying why")
			}
		case <-time.After(time.Minute):
			t.Error("it still runs")
		}
	})
}

// identityIs waits for the Secret of a ServiceAccount and looks at the certificate.
func (in installed) identityIs(t *testing.T, namespace, serviceAccount, want string) {
	t.Helper()
	var secret corev1.Secret
	eventually(t, "identity of "+serviceAccount, func(ctx context.Context) (string, bool) {
		err := in.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: naming.IdentitySecret(serviceAccount)}, &secret)
		if err != nil {
			return err.Error(), false
		}
		return "there", true
	})
	block, _ := pem.Decode(secret.Data[naming.FileCert])
	if block == nil {
		t.Fatalf("no certificate in %v", secret.Data)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(certificate.URIs) != 1 || certificate.URIs[0].String() != want {
		t.Errorf("the certificate names %v, want %s", certificate.URIs, want)
	}
	if secret.Type != corev1.SecretTypeTLS || len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].Name != serviceAccount {
		t.Errorf("type %s, owners %v", secret.Type, secret.OwnerReferences)
	}
}

func (in installed) podIsInjected(t *testing.T, namespace string) {
	pod := newPod(namespace, "cart")
	pod.Spec.ServiceAccountName = "cart"
	in.create(t, pod)
	env := map[string]string{}
	for _, e := range pod.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	id := "spiffe://cluster.local/ns/" + namespace + "/sa/cart"
	if env[naming.EnvMTLSMode] != "PERMISSIVE" || env[naming.EnvIdentity] != id {
		t.Errorf("environment: %v", env)
	}
	if !hasVolume(pod, naming.VolumeTLS) || !hasVolume(pod, naming.VolumeMode) {
		t.Errorf("volumes: %v", pod.Spec.Volumes)
	}
	if pod.Annotations[naming.AnnotationMTLSMode] != "PERMISSIVE" || pod.Annotations[naming.AnnotationIdentity] != id {
		t.Errorf("annotations: %v", pod.Annotations)
	}
}

// policyReachesPod: status and annotation follow a policy, and a pod created afterwards starts with its mode.
func (in installed) policyReachesPod(t *testing.T, namespace string) {
	strict := &v1alpha1.PeerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"},
		Spec:       v1alpha1.PeerAuthenticationSpec{MTLS: &v1alpha1.MutualTLS{Mode: v1alpha1.MutualTLSStrict}},
	}
	in.create(t, strict)
	eventually(t, "status", func(ctx context.Context) (string, bool) {
		if err := in.Client.Get(ctx, client.ObjectKeyFromObject(strict), strict); err != nil {
			return err.Error(), false
		}
		raw, _ := json.Marshal(strict.Status)
		programmed := meta.FindStatusCondition(strict.Status.Conditions, v1alpha1.ConditionProgrammed)
		return string(raw), meta.IsStatusConditionTrue(strict.Status.Conditions, v1alpha1.ConditionAccepted) &&
			programmed != nil && programmed.Message == "delivered to 1 of 1 pod" && strict.Status.Workloads == 1
	})
	var pod corev1.Pod
	if err := in.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "cart"}, &pod); err != nil {
		t.Fatal(err)
	}
	if got := pod.Annotations[naming.AnnotationMTLSMode]; got != "STRICT" {
		t.Errorf("delivered, but the pod says %q", got)
	}
	later := newPod(namespace, "later")
	in.create(t, later)
	if got := later.Annotations[naming.AnnotationMTLSMode]; got != "STRICT" {
		t.Errorf("a later pod starts with %q", got)
	}
}

func (in installed) trustDomainIsReady(t *testing.T) {
	var domain v1alpha1.TrustDomain
	eventually(t, "TrustDomain", func(ctx context.Context) (string, bool) {
		if err := in.Client.Get(ctx, client.ObjectKey{Name: "cluster.local"}, &domain); err != nil {
			return err.Error(), false
		}
		raw, _ := json.Marshal(domain.Status)
		return string(raw), meta.IsStatusConditionTrue(domain.Status.Conditions, v1alpha1.ConditionReady)
	})
}

// stealLease has somebody else lead.
func (in installed) stealLease(t *testing.T) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"holderIdentity":"somebody else","leaseDurationSeconds":60,"renewTime":%q}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: naming.LeaseOperator}}
	if err := in.Client.Patch(t.Context(), lease, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// metricsAreProtected: nobody and strangers are refused, who is bound to the chart's reader role is not.
func (in installed) metricsAreProtected(t *testing.T, r *replica) {
	namespace := in.Namespace(t, nil)
	for _, name := range []string{"stranger", "prometheus"} {
		in.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	in.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "warifu-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: "prometheus"}},
	})
	scraper := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the certificate is made at start
	url := "https://" + r.config.Metrics.Address + "/metrics"
	if seen, ok := get(t.Context(), scraper, url, ""); ok {
		t.Errorf("without a token: %s", seen)
	}
	if seen, ok := get(t.Context(), scraper, url, in.tokenOf(t, namespace, "stranger")); ok || !strings.HasPrefix(seen, "403") {
		t.Errorf("a stranger: %s", seen)
	}
	eventually(t, "scraping", func(ctx context.Context) (string, bool) {
		seen, ok := get(ctx, scraper, url, in.tokenOf(t, namespace, "prometheus"))
		return seen, ok && strings.Contains(seen, "warifu_injection_total") && strings.Contains(seen, "\nwarifu_trust_domain_ready 1\n") &&
			!strings.Contains(seen, "\nwarifu_signer_expiry_timestamp_seconds 0\n")
	})
}

// admits asks a replica itself, as the API server would, with the trust that the webhook configuration gives.
func (in installed) admits(t *testing.T, r *replica, namespace string) {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	if err := in.Client.Get(t.Context(), client.ObjectKey{Name: naming.WebhookMutating}, &configuration); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(configuration.Webhooks[0].ClientConfig.CABundle) {
		t.Fatal("there is no caBundle")
	}
	raw, err := json.Marshal(newPod(namespace, "asked"))
	if err != nil {
		t.Fatal(err)
	}
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "asked", Operation: admissionv1.Create, Namespace: namespace, Object: runtime.RawExtension{Raw: raw},
			Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
	}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}}
	address := net.JoinHostPort(r.config.Webhook.Host, strconv.Itoa(r.config.Webhook.Port))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+address+"/mutate-pods", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := caller.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Response == nil || !answer.Response.Allowed || !bytes.Contains(answer.Response.Patch, []byte(naming.VolumeTLS)) {
		t.Errorf("answer: %+v", answer.Response)
	}
}

func newPod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example/app:1"}}},
	}
}

func hasVolume(pod *corev1.Pod, name string) bool {
	for _, v := range pod.Spec.Volumes {
		if v.Name == name {
			return true
		}
	}
	return false
}
