package webhooks

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
)

// handlers records what Register registers.
type handlers struct {
	webhook.Server
	at map[string]*admission.Webhook
}

func (h handlers) Register(path string, hook http.Handler) {
	h.at[path] = hook.(limited).Handler.(*admission.Webhook)
}

// validators are the handlers as Register makes them.
func validators(t *testing.T, index *policy.Index) handlers {
	t.Helper()
	server := handlers{Server: webhook.NewServer(webhook.Options{}), at: map[string]*admission.Webhook{}}
	err := Register(server, Options{Index: index, Metrics: prometheus.NewRegistry(), Injection: injectSettings(), Policy: policySettings()})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func (h handlers) ask(t *testing.T, path string, request admission.Request) admission.Response {
	t.Helper()
	hook := h.at[path]
	if hook == nil {
		t.Fatalf("nothing is registered at %s", path)
	}
	return hook.Handle(t.Context(), request)
}

func TestValidators(t *testing.T) {
	tests := []struct {
		name, path string
		object     any
		refused    string // part of the message
		warned     string // part of a warning
	}{
		{"good PeerAuthentication", PathPeerAuthentications, parse[v1alpha1.PeerAuthentication](t, `
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}`), "", ""},
		{"port modes without selector", PathPeerAuthentications, parse[v1alpha1.PeerAuthentication](t, `
metadata: {name: default, namespace: shop}
spec: {portLevelMtls: {"8080": {mode: DISABLE}}}`), "PeerAuthentication shop/default cannot be obeyed: spec.portLevelMtls", ""},
		{"empty selector", PathPeerAuthentications, parse[v1alpha1.PeerAuthentication](t, `
metadata: {name: default, namespace: shop}
spec: {selector: {}}`), "", "spec.selector"},
		{"a service that does not exist yet", PathDestinationRules, parse[v1alpha1.DestinationRule](t, `
metadata: {name: pay, namespace: shop}
spec: {host: pay, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}`), "", ""},
		{"plaintext by omission", PathDestinationRules, parse[v1alpha1.DestinationRule](t, `
metadata: {name: pay, namespace: shop}
spec: {host: pay, trafficPolicy: {tls: {}}}`), "spec.trafficPolicy.tls", ""},
		{"principal with its scheme", PathAuthorizationPolicies, parse[v1alpha1.AuthorizationPolicy](t, `
metadata: {name: pay, namespace: shop}
spec: {rules: [{from: [{source: {principals: ["spiffe://cluster.local/ns/shop/sa/web"]}}]}]}`), "spec.rules[0].from[0].source.principals[0]", ""},
		{"good TrustDomain", PathTrustDomains, &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: "cluster.local"}}, "", ""},
	}
	server := validators(t, policy.NewIndex(policySettings()))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := create(t, "shop", test.object)
			request.Name = "default"
			response := server.ask(t, test.path, request)
			if response.Allowed != (test.refused == "") {
				t.Fatalf("got %+v", response.Result)
			}
			if !response.Allowed && !strings.Contains(response.Result.Message, test.refused) {
				t.Errorf("message %q, want …%s…", response.Result.Message, test.refused)
			}
			warned := slices.ContainsFunc(response.Warnings, func(w string) bool { return strings.Contains(w, test.warned) })
			if test.warned != "" && !warned {
				t.Errorf("warnings %q, want …%s…", response.Warnings, test.warned)
			}
		})
	}
}

// TestWarnsOfRelations: the second policy for the same workloads is admitted, and its author told who wins.
func TestWarnsOfRelations(t *testing.T) {
	index := policy.NewIndex(policySettings())
	older := parse[v1alpha1.PeerAuthentication](t, "{metadata: {name: older, namespace: shop}, spec: {mtls: {mode: STRICT}}}")
	older.CreationTimestamp = metav1.NewTime(time.Unix(1, 0))
	index.SetPeerAuthentication(older)
	newer := parse[v1alpha1.PeerAuthentication](t, "{metadata: {name: newer, namespace: shop}, spec: {mtls: {mode: DISABLE}}}")
	newer.CreationTimestamp = metav1.NewTime(time.Unix(2, 0))
	before := index.AllFindings()
	response := validators(t, index).ask(t, PathPeerAuthentications, create(t, "shop", newer))
	if !response.Allowed || !strings.Contains(strings.Join(response.Warnings, "\n"), "older") {
		t.Errorf("allowed %v, warnings %q", response.Allowed, response.Warnings)
	}
	if after := index.AllFindings(); !slices.Equal(before, after) {
		t.Errorf("asking changed the index: %v, %v", before, after)
	}
}

// TestAllErrorsAtOnce: nobody has to try again for each.
func TestOtherKindsAreRefused(t *testing.T) {
	request := create(t, "shop", map[string]any{"kind": v1alpha1.KindDestinationRule})
	response := validators(t, policy.NewIndex(policySettings())).ask(t, PathPeerAuthentications, request)
	if response.Allowed || response.Result.Code != http.StatusBadRequest {
		t.Errorf("got %+v", response)
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	object := parse[v1alpha1.AuthorizationPolicy](t, `
metadata: {name: pay, namespace: shop}
spec: {rules: [{from: [{source: {principals: ["a*b", "spiffe://x"]}}]}]}`)
	response := validators(t, policy.NewIndex(policySettings())).ask(t, PathAuthorizationPolicies, create(t, "shop", object))
	for _, field := range []string{"principals[0]", "principals[1]"} {
		if response.Allowed || !strings.Contains(response.Result.Message, field) {
			t.Errorf("%s is not in %+v", field, response.Result)
		}
	}
}

// TestUpdates: what was let in before can be labelled and taken away, and not made worse.
func TestUpdates(t *testing.T) {
	server := validators(t, policy.NewIndex(policySettings()))
	bad := parse[v1alpha1.DestinationRule](t, "{metadata: {name: pay, namespace: shop}, spec: {host: pay, trafficPolicy: {tls: {}}}}")
	update := func(object *v1alpha1.DestinationRule) admission.Response {
		request := create(t, "shop", object)
		request.Operation = admissionv1.Update
		request.OldObject.Raw, _ = json.Marshal(bad)
		return server.ask(t, PathDestinationRules, request)
	}
	labelled := bad.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	if response := update(labelled); !response.Allowed || len(response.Warnings) == 0 {
		t.Errorf("label: %+v, warnings %q", response.Result, response.Warnings)
	}
	worse := bad.DeepCopy()
	worse.Spec.Host = ""
	if update(worse).Allowed {
		t.Error("a new error was let in")
	}
	leaving := worse.DeepCopy()
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	if response := update(leaving); !response.Allowed {
		t.Errorf("deletion: %+v", response.Result)
	}
}

func TestTrustDomains(t *testing.T) {
	duration := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	tests := []struct {
		name     string
		edit     func(*v1alpha1.TrustDomain)
		severity policy.Severity
		field    string
	}{
		{"good", func(*v1alpha1.TrustDomain) {}, "", ""},
		{"aliases", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"old.example", "older_.example"} }, "", ""},
		{"a name that is a URI", func(o *v1alpha1.TrustDomain) { o.Name = "spiffe://x" }, policy.SeverityError, "metadata.name"},
		{"another trust domain", func(o *v1alpha1.TrustDomain) { o.Name = "other.example" }, policy.SeverityWarning, "metadata.name"},
		{"upper case", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"Old.example"} }, policy.SeverityError, "spec.aliases[0]"},
		{"itself", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"a", "cluster.local"} }, policy.SeverityError, "spec.aliases[1]"},
		{"twice", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"a", "a"} }, policy.SeverityError, "spec.aliases[1]"},
		{"too short", func(o *v1alpha1.TrustDomain) { o.Spec.WorkloadCertificates.Lifetime = duration(9 * time.Minute) }, policy.SeverityError, "spec.workloadCertificates.lifetime"},
		{"short", func(o *v1alpha1.TrustDomain) { o.Spec.WorkloadCertificates.Lifetime = duration(10 * time.Minute) }, "", ""},
		{"CA no longer than what it signs", func(o *v1alpha1.TrustDomain) {
			o.Spec.WorkloadCertificates.Lifetime, o.Spec.CA.Lifetime = duration(24*time.Hour), duration(24*time.Hour)
		}, policy.SeverityWarning, "spec.ca.lifetime"},
	}
	options := Options{Policy: policySettings()}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: "cluster.local"}}
			test.edit(object)
			findings := options.trustDomain(object)
			if test.field == "" {
				if len(findings) != 0 {
					t.Errorf("got %+v", findings)
				}
				return
			}
			if len(findings) == 0 || findings[0].Severity != test.severity || findings[0].Field != test.field {
				t.Errorf("got %+v, want %s at %s", findings, test.severity, test.field)
			}
		})
	}
	options.AllowShortLifetimes = true
	if got := options.trustDomain(&v1alpha1.TrustDomain{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster.local"},
		Spec:       v1alpha1.TrustDomainSpec{WorkloadCertificates: v1alpha1.WorkloadCertificateSpec{Lifetime: duration(10 * time.Second)}},
	}); len(got) != 0 {
		t.Errorf("with the test setting: %+v", got)
	}
}
