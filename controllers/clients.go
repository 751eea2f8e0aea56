package controllers

import (
	"context"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Reader reads from the caches. Reconcilers are given narrow interfaces, so that a signature says what a reconciler can do.
type Reader interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
}

// Patcher changes single fields of objects that others own.
type Patcher interface {
	Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error
}

// Recorder records events.
type Recorder = events.EventRecorder
