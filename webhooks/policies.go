package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
)

// +kubebuilder:webhook:path=/validate-peerauthentications,mutating=false,groups=warifu.dev,resources=peerauthentications,verbs=create;update,versions=v1alpha1,name=peerauthentications.validator.warifu.dev,admissionReviewVersions=v1,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=5
// +kubebuilder:webhook:path=/validate-destinationrules,mutating=false,groups=warifu.dev,resources=destinationrules,verbs=create;update,versions=v1alpha1,name=destinationrules.validator.warifu.dev,admissionReviewVersions=v1,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=5
// +kubebuilder:webhook:path=/validate-authorizationpolicies,mutating=false,groups=warifu.dev,resources=authorizationpolicies,verbs=create;update,versions=v1alpha1,name=authorizationpolicies.validator.warifu.dev,admissionReviewVersions=v1,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=5
// +kubebuilder:webhook:path=/validate-trustdomains,mutating=false,groups=warifu.dev,resources=trustdomains,verbs=create;update,versions=v1alpha1,name=trustdomains.validator.warifu.dev,admissionReviewVersions=v1,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=5

func (o Options) peerAuthentication(object *v1alpha1.PeerAuthentication) []policy.Finding {
	return policy.CheckPeerAuthentication(object, o.Policy)
}

func (o Options) destinationRule(object *v1alpha1.DestinationRule) []policy.Finding {
	return policy.CheckDestinationRule(object, o.Policy)
}

func (o Options) authorizationPolicy(object *v1alpha1.AuthorizationPolicy) []policy.Finding {
	return policy.CheckAuthorizationPolicy(object, o.Policy)
}

// validator answers for one kind. What an object shows by itself refuses it; how it gets on with others is only told, because
// the others may come, change and go.
type validator[T any, P interface {
	*T
	client.Object
}] struct {
	kind string
	// check finds what is wrong with the object alone, preview also what is surprising among what exists.
	check, preview func(P) []policy.Finding
}

// Handle decodes, checks and responds.
func (v *validator[T, P]) Handle(_ context.Context, req admission.Request) admission.Response {
	object, old := P(new(T)), P(new(T))
	if err := kjson.UnmarshalCaseSensitivePreserveInts(req.Object.Raw, object); err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("decoding the %s: %w", v.kind, err))
	}
	if err := rightKind(object, v.kind); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	// An object on its way out must be able to lose its finalizers, whatever it says.
	if object.GetDeletionTimestamp() != nil {
		return admission.Allowed("")
	}
	problems := errorsIn(v.check(object))
	if req.Operation == admissionv1.Update && kjson.UnmarshalCaseSensitivePreserveInts(req.OldObject.Raw, old) == nil {
		problems = without(problems, v.check(old))
	}
	if len(problems) > 0 {
		return v.refused(req, problems)
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Allowed: true, Warnings: texts(v.preview(object))}}
}

// refused tells all errors at once, so that nobody has to try again for each.
func (v *validator[T, P]) refused(req admission.Request, problems []policy.Finding) admission.Response {
	name := strings.TrimPrefix(req.Namespace+"/"+req.Name, "/")
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: fmt.Sprintf("%s %s cannot be obeyed: %s", v.kind, name, strings.Join(texts(problems), "; ")),
	}}}
}

func errorsIn(findings []policy.Finding) []policy.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f policy.Finding) bool { return f.Severity != policy.SeverityError })
}

// without leaves out the errors that the object had before: what an earlier version let in can still be labelled, and mended
// step by step.
func without(problems, before []policy.Finding) []policy.Finding {
	return slices.DeleteFunc(problems, func(f policy.Finding) bool { return slices.Contains(before, f) })
}

// texts are findings as people read them, each once.
func texts(findings []policy.Finding) []string {
	var out []string
	for _, f := range findings {
		text := f.Message
		if f.Field != "" {
			text = f.Field + ": " + f.Message
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
