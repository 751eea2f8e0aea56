package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/policy"
)

// +kubebuilder:webhook:path=/mutate-pods,mutating=true,groups="",resources=pods,verbs=create,versions=v1,name=namespace.injector.warifu.dev,admissionReviewVersions=v1,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=NoneOnDryRun,reinvocationPolicy=IfNeeded,timeoutSeconds=5
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// podInjector answers for new pods.
type podInjector struct {
	options Options
	counter injectionCounter
}

// Handle decodes the pod, gathers what the decision depends on, decides, and responds.
func (p *podInjector) Handle(ctx context.Context, req admission.Request) admission.Response {
	if req.Operation != admissionv1.Create {
		return admission.Allowed("")
	}
	// Names of fields are compared exactly, as the API server does: an object must not mean one thing here and another there.
	pod := &corev1.Pod{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(req.Object.Raw, pod); err != nil {
		return p.failed(http.StatusBadRequest, fmt.Errorf("decoding the pod: %w", err))
	}
	if err := rightKind(pod, "Pod"); err != nil {
		return p.failed(http.StatusBadRequest, err)
	}
	pod.Namespace = req.Namespace
	if !p.options.Synced() {
		return p.failed(http.StatusServiceUnavailable, errors.New("the operator is starting and does not know the policies yet; try again"))
	}
	outcome, err := p.decide(ctx, pod)
	if err != nil {
		return p.failed(http.StatusInternalServerError, err)
	}
	return p.respond(ctx, req, pod, outcome)
}

// decide asks again with the namespace as it is now where the cached one says that the pod is none of ours: the API server
// asks about pods that opted in, so it may know of a label that has not come here yet.
func (p *podInjector) decide(ctx context.Context, pod *corev1.Pod) (inject.Outcome, error) {
	namespace, err := p.namespace(ctx, pod.Namespace)
	if err != nil {
		return inject.Outcome{}, err
	}
	workload := policy.WorkloadOf(pod)
	input := inject.Input{
		Pod:        pod,
		Namespace:  namespace,
		Settings:   p.options.Injection,
		Mode:       p.options.Index.CompileFor(workload).Inbound.Default.Mode,
		ClientMode: p.options.Index.ClientDefault(workload).Mode,
	}
	outcome := inject.Decide(input)
	if outcome.Skip != inject.SkipNotOptedIn && outcome.Skip != inject.SkipNamespaceOptOut {
		return outcome, nil
	}
	if input.Namespace, err = readNamespace(ctx, p.options.Live, pod.Namespace); err != nil {
		return inject.Outcome{}, err
	}
	return inject.Decide(input), nil
}

// respond carries the outcome out.
func (p *podInjector) respond(ctx context.Context, req admission.Request, pod *corev1.Pod, outcome inject.Outcome) admission.Response {
	switch {
	case outcome.Refusal != nil:
		p.counter.count(resultRefused, string(outcome.Refusal.Reason))
		return admission.Denied(fmt.Sprintf("Warifu cannot inject this pod: %s", outcome.Refusal.Error()))
	case outcome.Skip != "":
		p.counter.count(resultSkipped, string(outcome.Skip))
		if !ptr.Deref(req.DryRun, false) && outcome.Skip != inject.SkipAlreadyInjected {
			p.options.Recorder.Eventf(eventObject(pod), nil, corev1.EventTypeNormal, string(outcome.Skip), "Inject",
				"Warifu left pod %s alone: %s", nameOf(pod), outcome.Skip.Message())
		}
		log.FromContext(ctx).V(1).Info("pod left alone", "reason", outcome.Skip)
		return admission.Allowed("")
	}
	patch, err := json.Marshal(inject.Apply(outcome.Plan, pod))
	if err != nil {
		return p.failed(http.StatusInternalServerError, fmt.Errorf("encoding the patch: %w", err))
	}
	p.counter.count(resultInjected, "")
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed: true, Patch: patch, PatchType: ptr.To(admissionv1.PatchTypeJSONPatch),
	}}
}

// rightKind refuses an object that says that it is of another kind: a webhook configuration that was changed by hand may send
// Deployments, and what is right for a pod would be written into them.
func rightKind(object client.Object, want string) error {
	if kind := object.GetObjectKind().GroupVersionKind().Kind; kind != "" && kind != want {
		return fmt.Errorf("the object is a %s, and this webhook answers for a %s: correct the webhook configuration", kind, want)
	}
	return nil
}

func (p *podInjector) failed(code int32, err error) admission.Response {
	p.counter.count(resultFailed, "")
	return admission.Errored(code, err)
}

// namespace reads from the cache, and from the API server what the cache does not know yet: a pod may follow its namespace
// within milliseconds.
func (p *podInjector) namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	namespace, err := readNamespace(ctx, p.options.Cached, name)
	if apierrors.IsNotFound(err) {
		return readNamespace(ctx, p.options.Live, name)
	}
	return namespace, err
}

func readNamespace(ctx context.Context, reader Reader, name string) (*corev1.Namespace, error) {
	namespace := &corev1.Namespace{}
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return namespace, nil
}

// eventObject is where people look when a pod is not as they expect: the object that makes the pods, else the pod itself,
// which has no uid yet.
func eventObject(pod *corev1.Pod) *corev1.ObjectReference {
	if owner := metav1.GetControllerOf(pod); owner != nil {
		return &corev1.ObjectReference{
			APIVersion: owner.APIVersion, Kind: owner.Kind, Namespace: pod.Namespace, Name: owner.Name, UID: owner.UID,
		}
	}
	return &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: nameOf(pod)}
}

// nameOf is the pod's name, or what it will begin with, in the form of a name.
func nameOf(pod *corev1.Pod) string {
	if pod.Name != "" {
		return pod.Name
	}
	return strings.TrimRight(pod.GenerateName, "-.")
}
