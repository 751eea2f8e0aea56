package controllers

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// signal wakes a controller from within the process. Raising it never blocks, and raising it twice before it was heard is
// raising it once.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

// raise wakes whoever listens.
func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// source calls enqueue each time the signal was raised. A signal has one source.
func (s signal) source(enqueue func(context.Context, workqueue.TypedRateLimitingInterface[reconcile.Request])) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-s:
					enqueue(ctx, queue)
				}
			}
		}()
		return nil
	})
}
