package webhooks

import (
	"context"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/warifu/warifu/internal/naming"
)

// +kubebuilder:rbac:groups="",namespace=warifu-system,resources=secrets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations;validatingwebhookconfigurations,verbs=get;list;watch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations,resourceNames=warifu-injector,verbs=patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=warifu-validator,verbs=patch

// Applier writes by server-side apply.
type Applier interface {
	Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error
}

// CertificateReconciler makes and renews the webhook's own CA and serving certificate, and has the API server trust them. It
// runs on the leader; every replica serves what it makes (ServingCertificate).
type CertificateReconciler struct {
	// Reader reads live: a Secret that a cache does not show yet would be made a second time.
	Reader  Reader
	Applier Applier
	Clock   clock.PassiveClock
	// Namespace of the operator.
	Namespace string
	Options   CertificateOptions
}

// SetupWithManager runs the reconciler at the start and whenever the Secret or a webhook configuration changes.
func (r *CertificateReconciler) SetupWithManager(mgr ctrl.Manager) error {
	secret := client.ObjectKey{Namespace: r.Namespace, Name: naming.SecretWebhookCA}
	request := reconcile.Request{NamespacedName: secret}
	atStart := source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		queue.Add(request)
		return nil
	})
	named := func(key types.NamespacedName) handler.EventHandler {
		return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			if client.ObjectKeyFromObject(o) != key {
				return nil
			}
			return []reconcile.Request{request}
		})
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("webhook-certificate").
		WatchesRawSource(atStart).
		Watches(&corev1.Secret{}, named(secret)).
		Watches(&admissionregistrationv1.MutatingWebhookConfiguration{}, named(client.ObjectKey{Name: naming.WebhookMutating})).
		Watches(&admissionregistrationv1.ValidatingWebhookConfiguration{}, named(client.ObjectKey{Name: naming.WebhookValidator})).
		Complete(r)
}

// Reconcile gathers what is there, takes one step if one is due, and sees to it that the bundle is published.
func (r *CertificateReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	options := r.Options.withDefaults()
	secret := &corev1.Secret{}
	if err := r.Reader.Get(ctx, request.NamespacedName, secret); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("reading Secret %s: %w", request, err)
	}
	if secret.UID != "" && !ours(secret) {
		return reconcile.Result{}, fmt.Errorf("Secret %s is not Warifu's (it lacks the label %s=%s) and is not touched: give it another name, or delete it",
			request, naming.LabelKind, naming.KindWebhook)
	}
	installed, err := configurations(ctx, r.Reader)
	if err != nil {
		return reconcile.Result{}, err
	}
	m := parseMaterial(secret)
	now := r.Clock.Now()
	due := options.next(m, allPublished(installed, m), now)
	if due.action != actionNone {
		if m, err = options.perform(due.action, m, trustedBy(installed), now); err != nil {
			return reconcile.Result{}, err
		}
		log.FromContext(ctx).Info("webhook certificate", "action", due.action, "reason", due.why)
	}
	// Trust comes first: what nobody trusts yet must not be served.
	if err := r.publish(ctx, installed, m); err != nil {
		return reconcile.Result{}, err
	}
	if due.action == actionNone {
		return reconcile.Result{RequeueAfter: max(due.at.Sub(now), time.Second)}, nil
	}
	if err := r.write(ctx, secret, m); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}

func allPublished(installed []configuration, m material) bool {
	for _, c := range installed {
		if !c.published(encodeBundle(m)) {
			return false
		}
	}
	return true
}

// publish gives the bundle to every entry of the installed configurations. The uid keeps an apply from making a
// configuration anew that was deleted meanwhile.
func (r *CertificateReconciler) publish(ctx context.Context, installed []configuration, m material) error {
	bundle := encodeBundle(m)
	for _, c := range installed {
		if c.published(bundle) {
			continue
		}
		if err := r.Applier.Apply(ctx, c.apply(bundle), client.FieldOwner(naming.FieldOwner), client.ForceOwnership); err != nil {
			return fmt.Errorf("writing the caBundle of webhook configuration %s: %w", c.name, err)
		}
	}
	return nil
}

// write replaces the Secret that was read.
func (r *CertificateReconciler) write(ctx context.Context, read *corev1.Secret, m material) error {
	secret, err := secretOf(r.Namespace, m)
	if err != nil {
		return err
	}
	if read.UID != "" {
		secret.WithUID(read.UID).WithResourceVersion(read.ResourceVersion)
	}
	if err := r.Applier.Apply(ctx, secret, client.FieldOwner(naming.FieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("writing Secret %s/%s: %w", r.Namespace, naming.SecretWebhookCA, err)
	}
	return nil
}
