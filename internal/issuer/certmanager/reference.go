package certmanager

import (
	"context"
	"fmt"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
)

// Reference names an issuer: name, kind and group, all of them set.
type Reference = cmmeta.IssuerReference

// ReferenceOf is the issuer that a TrustDomain names.
func ReferenceOf(spec *v1alpha1.CertManagerSpec) Reference {
	return withDefaults(Reference{Name: spec.IssuerRef.Name, Kind: spec.IssuerRef.Kind, Group: spec.IssuerRef.Group})
}

// Reader reads one object from the API server.
type Reader interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
}

// Writer writes whole objects.
type Writer interface {
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
	Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error
	Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error
}

// Kinds tells which kinds the API server knows; a meta.RESTMapper that asks again is one.
type Kinds interface {
	RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error)
}

// Options are what the issuers need.
type Options struct {
	// Namespace is the operator's own.
	Namespace   string
	TrustDomain identity.TrustDomain
	Reader      Reader
	Writer      Writer
	Kinds       Kinds
	// Now is the clock.
	Now func() time.Time
}

// RefersTo says whether a reference, in which kind and group may be left out, names the issuer.
func RefersTo(reference, named Reference) bool {
	return withDefaults(reference) == withDefaults(named)
}

func withDefaults(r Reference) Reference {
	if r.Kind == "" {
		r.Kind = certmanagerv1.IssuerKind
	}
	if r.Group == "" {
		r.Group = certmanagerv1.SchemeGroupVersion.Group
	}
	return r
}

// installed is nil where the API server knows cert-manager's kinds.
func (o Options) installed() (*issuer.UnusableError, error) {
	kind := certmanagerv1.SchemeGroupVersion.WithKind(certmanagerv1.CertificateKind)
	_, err := o.Kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return &issuer.UnusableError{Reason: NotInstalled, Message: fmt.Sprintf(
			"the API server does not know %s; install cert-manager, or set spec.issuer.type to Builtin", kind.GroupKind())}, nil
	}
	return nil, err
}

// kindOf returns the mapping of the issuer's kind, or why there is none.
func (o Options) kindOf(ref Reference) (*meta.RESTMapping, *issuer.UnusableError, error) {
	kind := schema.GroupKind{Group: ref.Group, Kind: ref.Kind}
	mapping, err := o.Kinds.RESTMapping(kind)
	if meta.IsNoMatchError(err) {
		return nil, &issuer.UnusableError{Reason: IssuerNotFound, Message: fmt.Sprintf(
			"spec.issuer.certManager.issuerRef: the API server does not know the kind %s; correct kind and group, or install what serves them", kind)}, nil
	}
	return mapping, nil, err
}

// check says what is wrong with an issuer, nil where it is ready. The namespace is looked at where the kind has one. An
// external issuer need not say whether it is ready, nor let itself be read.
func (o Options) check(ctx context.Context, ref Reference, namespace string) (*issuer.UnusableError, error) {
	mapping, problem, err := o.kindOf(ref)
	if problem != nil || err != nil {
		return problem, err
	}
	name := client.ObjectKey{Name: ref.Name}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		name.Namespace = namespace
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(mapping.GroupVersionKind)
	err = o.Reader.Get(ctx, name, object)
	external := ref.Group != certmanagerv1.SchemeGroupVersion.Group
	switch {
	case apierrors.IsNotFound(err):
		return &issuer.UnusableError{Reason: IssuerNotFound, Message: fmt.Sprintf(
			"%s %s does not exist; create it, or correct spec.issuer.certManager.issuerRef", ref.Kind, nameOf(name))}, nil
	case apierrors.IsForbidden(err) && external:
		return nil, nil
	case err != nil:
		return forbidden(err)
	}
	return readiness(object, external), nil
}

// forbidden makes missing rights a problem that somebody has to solve; any other error stays one.
func forbidden(err error) (*issuer.UnusableError, error) {
	if !apierrors.IsForbidden(err) {
		return nil, err
	}
	return &issuer.UnusableError{Reason: Forbidden, Message: fmt.Sprintf(
		"%v; install the chart with certManager.enabled=true, or bind the role warifu-operator-cert-manager", err)}, nil
}

// readiness reads the condition Ready.
func readiness(object *unstructured.Unstructured, external bool) *issuer.UnusableError {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	status, message := "", "it has not been looked at yet; is cert-manager running?"
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Ready" {
			status, _ = c["status"].(string)
			message, _ = c["message"].(string)
		}
	}
	if status == "True" || status == "" && external {
		return nil
	}
	return &issuer.UnusableError{Reason: IssuerNotReady, Message: fmt.Sprintf(
		"%s %s is not ready: %s", object.GetKind(), nameOf(client.ObjectKeyFromObject(object)), message)}
}

// nameOf is the name, after its namespace where it has one.
func nameOf(key client.ObjectKey) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.String()
}
