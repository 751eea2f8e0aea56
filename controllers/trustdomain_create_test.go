package controllers

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// noTrustDomain has no TrustDomain, and does not take one either.
type noTrustDomain struct{ refusal error }

func (noTrustDomain) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "trustdomains"}, key.Name)
}

func (noTrustDomain) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func (o noTrustDomain) Create(context.Context, client.Object, ...client.CreateOption) error {
	return o.refusal
}

// TestTheFirstTrustDomainDoesNotWaitLong: the API server asks our webhook about it, and at the first start cannot reach it for
// as long as no replica is ready.
func TestTheFirstTrustDomainDoesNotWaitLong(t *testing.T) {
	const away = `failed calling webhook "trustdomains.validator.warifu.dev": failed to call webhook: Post "https://warifu-webhook.warifu-system.svc:443/validate-trustdomains?timeout=5s": dial tcp 10.96.6.40:443: connect: connection refused`
	reconcile := func(refusal error) (ctrl.Result, error) {
		r := &trustDomainReconciler{objects: noTrustDomain{refusal}, trustDomain: "cluster.local"}
		return r.Reconcile(t.Context(), r.served())
	}
	for range 20 {
		result, err := reconcile(apierrors.NewInternalError(errors.New(away)))
		if err != nil || result.RequeueAfter != ownWebhookAway {
			t.Fatalf("%+v, %v; want another attempt after %s, and no error that makes the pauses longer", result, err, ownWebhookAway)
		}
	}
	for _, refusal := range []error{
		apierrors.NewInternalError(errors.New("the disk is full")),
		apierrors.NewForbidden(schema.GroupResource{Resource: "trustdomains"}, "cluster.local", errors.New(away)),
	} {
		if _, err := reconcile(refusal); !errors.Is(err, refusal) {
			t.Errorf("%v became %v", refusal, err)
		}
	}
}
