package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

const (
	oursNamespace = "admission-ours"
	nullNamespace = "admission-null"
	nullLabel     = "bench.warifu.dev/null"
)

// admit creates pods through our webhook and through one that does nothing, in turns of a second, so that both sides have
// the same machine.
func (m *measuring) admit(ctx context.Context) error {
	null, err := m.newNullWebhook(ctx)
	if err != nil {
		return err
	}
	defer null.Close()
	for name, label := range map[string]string{oursNamespace: naming.LabelInjection, nullNamespace: nullLabel} {
		if err := m.namespace(ctx, name, map[string]string{label: naming.InjectionEnabled}); err != nil {
			return err
		}
		if err := m.hasDefaultAccount(ctx, name); err != nil {
			return err
		}
	}
	if err := m.calls(ctx, null); err != nil {
		return err
	}
	latency := map[string][]time.Duration{}
	for range m.pods / m.rate {
		for _, namespace := range []string{nullNamespace, oursNamespace} {
			took, err := m.second(ctx, namespace)
			if err != nil {
				return err
			}
			latency[namespace] = append(latency[namespace], took...)
		}
	}
	ours, nothing := percentiles(latency[oursNamespace]), percentiles(latency[nullNamespace])
	more := ours.p99 - nothing.p99
	m.add(line{
		what: fmt.Sprintf("admission at %d pods/s through the API server, p99 above a null webhook's", m.rate),
		is:   fmt.Sprintf("%.1f ms (%s; null %s; %d pods each)", milliseconds(more), ours, nothing, m.pods),
		goal: "≤ 5 ms", within: more <= 5*time.Millisecond,
	})
	return nil
}

// calls waits until the API server calls both webhooks.
func (m *measuring) calls(ctx context.Context, null *nullWebhook) error {
	return eventually(ctx, func(ctx context.Context) error {
		ours, nothing := pod(oursNamespace, "ask-", "default"), pod(nullNamespace, "ask-", "default")
		if err := errors.Join(m.admin.Create(ctx, ours, client.DryRunAll), m.admin.Create(ctx, nothing, client.DryRunAll)); err != nil {
			return err
		}
		if ours.Annotations[naming.AnnotationStatus] == "" || null.called.Load() == 0 {
			return errors.New("a webhook is not called yet")
		}
		return nil
	})
}

// second creates as many pods as belong into a second, evenly, whether or not those before are done.
func (m *measuring) second(ctx context.Context, namespace string) ([]time.Duration, error) {
	took, errs := make([]time.Duration, m.rate), make([]error, m.rate)
	tick := time.NewTicker(time.Second / time.Duration(m.rate))
	defer tick.Stop()
	var pods sync.WaitGroup
	for i := range m.rate {
		<-tick.C
		pods.Go(func() {
			started := time.Now()
			errs[i] = m.admin.Create(ctx, pod(namespace, "pod-", "default"))
			took[i] = time.Since(started)
		})
	}
	pods.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

// pod is a small one.
func pod(namespace, name, account string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: name, Labels: map[string]string{"app": account}},
		Spec: corev1.PodSpec{
			ServiceAccountName: account,
			Containers: []corev1.Container{{
				Name: "app", Image: "registry.example/team/application:v1.2.3",
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				Env:   []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}},
			}},
		},
	}
}

// nullWebhook lets every pod pass as it is.
type nullWebhook struct {
	*httptest.Server
	called atomic.Int64
}

// newNullWebhook has the API server call a null webhook as it calls ours.
func (m *measuring) newNullWebhook(ctx context.Context) (*nullWebhook, error) {
	null := &nullWebhook{}
	null.Server = httptest.NewUnstartedServer(null)
	null.EnableHTTP2 = true
	null.StartTLS()
	var ours admissionregistrationv1.MutatingWebhookConfiguration
	if err := m.admin.Get(ctx, client.ObjectKey{Name: naming.WebhookMutating}, &ours); err != nil {
		null.Close()
		return nil, err
	}
	hook := *ours.Webhooks[0].DeepCopy()
	hook.Name = "null.bench.warifu.dev"
	hook.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{nullLabel: naming.InjectionEnabled}}
	hook.ObjectSelector, hook.MatchConditions = nil, nil
	hook.ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: &null.URL, CABundle: bundle(null.Certificate())}
	err := m.admin.Create(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "null"}, Webhooks: []admissionregistrationv1.MutatingWebhook{hook},
	})
	return null, err
}

func (n *nullWebhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.called.Add(1)
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func bundle(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

// distribution is what matters of many durations.
type distribution struct{ p50, p99 time.Duration }

func percentiles(all []time.Duration) distribution {
	slices.Sort(all)
	return distribution{p50: all[len(all)/2], p99: all[len(all)*99/100]}
}

func (d distribution) String() string {
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", milliseconds(d.p50), milliseconds(d.p99))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
