package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/status"
)

// +kubebuilder:rbac:groups=warifu.dev,resources=peerauthentications/status;destinationrules/status;authorizationpolicies/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// policyKinds are the kinds with a PolicyStatus: how to make one, and where its status is.
var policyKinds = map[string]func() (client.Object, *v1alpha1.PolicyStatus){
	v1alpha1.KindPeerAuthentication: func() (client.Object, *v1alpha1.PolicyStatus) {
		o := &v1alpha1.PeerAuthentication{}
		return o, &o.Status
	},
	v1alpha1.KindDestinationRule: func() (client.Object, *v1alpha1.PolicyStatus) {
		o := &v1alpha1.DestinationRule{}
		return o, &o.Status
	},
	v1alpha1.KindAuthorizationPolicy: func() (client.Object, *v1alpha1.PolicyStatus) {
		o := &v1alpha1.AuthorizationPolicy{}
		return o, &o.Status
	},
}

// statusSettle bounds the status writes of one policy to five a second while the pods it selects come and go.
const statusSettle = 200 * time.Millisecond

// pendingRecheck is how often a policy that has not reached all of its pods is looked at again.
const pendingRecheck = time.Second

// Deliveries says whether a pod has been told its current modes.
type Deliveries interface {
	Delivered(pod types.NamespacedName) bool
}

// Proxies says how much of the cluster's history a pod's proxy has in force, and why it could not put the newest
// configuration in force; nothing where it has not reported.
type Proxies interface {
	Acknowledged(pod types.NamespacedName, uid string) (inForce proxyconfig.AsOf, rejected string)
}

// PolicyStatus writes the status of the three policy kinds. One reconciler serves them all: they differ in nothing that a
// status says.
type PolicyStatus struct {
	Reader     Reader
	Status     status.Applier
	Events     Recorder
	Index      *policy.Index
	Feed       *IndexFeed
	Deliveries Deliveries
	Proxies    Proxies
	Clock      clock.PassiveClock
}

// SetupWithManager adds the reconciler to the manager, fed by what the index says has changed.
func (r *PolicyStatus) SetupWithManager(mgr manager.Manager) error {
	c, err := controller.NewTyped("policy-status", mgr, controller.TypedOptions[proxyconfig.ObjectRef]{
		Reconciler:              r,
		MaxConcurrentReconciles: 2,
	})
	if err != nil {
		return fmt.Errorf("policy status: %w", err)
	}
	changed := newChangeSource(r.Feed, func(_ context.Context, c changeSet) []proxyconfig.ObjectRef {
		return slices.Collect(maps.Keys(c.policies))
	})
	changed.settle = statusSettle
	return c.Watch(changed)
}

// Reconcile brings the status of one policy up to date.
func (r *PolicyStatus) Reconcile(ctx context.Context, ref proxyconfig.ObjectRef) (reconcile.Result, error) {
	known, ok := policyKinds[ref.Kind]
	if !ok {
		return reconcile.Result{}, nil // findings are also about Namespaces and the like, which carry no status of ours
	}
	object, current := known()
	name := types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
	if err := r.Reader.Get(ctx, name, object); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if r.Feed.Observed(ref) != object.GetGeneration() {
		return reconcile.Result{}, nil // the index has not seen this generation yet; it asks again when it has
	}
	reach := r.reach(ref)
	next := status.Policy(status.Input{
		Kind:       ref.Kind,
		Generation: object.GetGeneration(),
		Findings:   r.Index.Findings(ref),
		Reach:      reach,
		Now:        metav1.NewTime(r.Clock.Now()),
	}, *current)
	if !equality.Semantic.DeepEqual(next, *current) {
		if err := status.Write(ctx, r.Status, ref.Kind, name, next); err != nil {
			return reconcile.Result{}, ignoreGone(err)
		}
		r.announce(object, current.Conditions, next.Conditions)
	}
	if reach.Untold > 0 || reach.Enforcing < reach.Proxied {
		return reconcile.Result{RequeueAfter: pendingRecheck}, nil
	}
	return reconcile.Result{}, nil
}

// reach counts the selected pods by what they can make of the policy.
func (r *PolicyStatus) reach(ref proxyconfig.ObjectRef) status.Reach {
	reach := status.Reach{Outside: map[policy.NotProxiedReason]int{}}
	for _, name := range r.Index.SelectedWorkloads(ref) {
		workload, ok := r.Index.Workload(name)
		switch {
		case !ok: // gone since
		case workload.Proxied:
			r.reachProxied(ref, &workload, &reach)
		case workload.NotProxied != policy.NotProxiedNoDataPlane:
			reach.Outside[workload.NotProxied]++
		case !r.Feed.HasModes(name): // labelled for the data plane none, and created while nothing was injected
			reach.Outside[policy.NotProxiedNotInjected]++
		case r.Deliveries.Delivered(name):
			reach.Told++
		default:
			reach.Untold++
		}
	}
	return reach
}

// reachProxied counts a pod by what its proxy has reported.
func (r *PolicyStatus) reachProxied(ref proxyconfig.ObjectRef, workload *policy.Workload, reach *status.Reach) {
	name := types.NamespacedName{Namespace: workload.Namespace, Name: workload.Name}
	inForce, rejected := r.Proxies.Acknowledged(name, workload.UID)
	reach.Proxied++
	switch {
	case rejected != "":
		reach.Rejected = cmp.Or(reach.Rejected, fmt.Sprintf("the proxy of Pod %s refuses its configuration: %s", name, rejected))
	case inForce != nil && inForce[ref.Kind] >= r.Feed.Version(ref):
		reach.Enforcing++
	}
}

// announce records an event where a condition has turned bad. The condition's reason is the event's.
func (r *PolicyStatus) announce(object client.Object, before, after []metav1.Condition) {
	bad := map[string]metav1.ConditionStatus{
		v1alpha1.ConditionAccepted:   metav1.ConditionFalse,
		v1alpha1.ConditionConflicted: metav1.ConditionTrue,
	}
	for _, c := range after {
		if c.Status != bad[c.Type] || meta.IsStatusConditionPresentAndEqual(before, c.Type, c.Status) {
			continue
		}
		r.Events.Eventf(object, nil, corev1.EventTypeWarning, c.Reason, "Compile", "%s", c.Message)
	}
}

// ignoreGone drops the error of writing to an object that has been deleted meanwhile.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
