package chart_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// attempt is a way to get past the guards, or something close to one that must stay possible. It is tried twice: without the
// policies it must succeed, so that it is they who refuse.
type attempt struct {
	// pod is created, if it is set: its spec in YAML. inject is its label warifu.dev/inject.
	pod, inject string
	// of is the pod that exists and is changed otherwise: plain or proxied.
	of string
	// change makes the change, through the subresource if one is named.
	change      func(*corev1.Pod)
	subresource string
	// binding are the annotations with which the pod is bound to a node, if set.
	binding map[string]string
	// in is the namespace: the operator's own ("", which is not labelled either), "plain", "enabled" or "disabled".
	in string
	// as is who tries: the editor of the namespaces unless it is set.
	as rest.ImpersonationConfig
	// owner is the field manager.
	owner string
	// refused is a part of the refusal; empty when there is none.
	refused string
}

// ground is where attempts are made.
type ground struct {
	*cluster.Cluster
	namespaces map[string]string
	pods       map[string]*corev1.Pod
}

// TestGuards tries every path, in namespaces of every kind, first without the policies and then with them.
func TestGuards(t *testing.T) {
	g := newGround(t)
	g.await(t, false)
	for name, a := range guardCases() {
		if err := g.try(t, a); err != nil {
			t.Errorf("%s: refused without the policies: %v", name, err)
		}
	}
	g.install(t)
	t.Run("types", func(t *testing.T) { g.typesFit(t) })
	for name, a := range guardCases() {
		t.Run(name, func(t *testing.T) {
			err := g.try(t, a)
			switch {
			case a.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case a.refused != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), a.refused)):
				t.Errorf("got %v, want a refusal that says %q", err, a.refused)
			}
		})
	}
	t.Run("by a controller", func(t *testing.T) { g.byController(t) })
	t.Run("what is injected", func(t *testing.T) { g.injected(t) })
}

func newGround(t *testing.T) *ground {
	t.Helper()
	g := &ground{Cluster: cluster.Require(t), namespaces: map[string]string{}, pods: map[string]*corev1.Pod{}}
	for kind, labels := range map[string]map[string]string{
		"": nil, "plain": nil,
		naming.InjectionEnabled:  {naming.LabelInjection: naming.InjectionEnabled},
		naming.InjectionDisabled: {naming.LabelInjection: naming.InjectionDisabled},
	} {
		ns := g.Namespace(t, labels)
		g.namespaces[kind] = ns
		for _, name := range []string{"web", longAccount, longOther} {
			g.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}})
		}
		g.create(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "all"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "system:authenticated"}},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", APIGroup: rbacv1.GroupName, Name: "cluster-admin"},
		})
	}
	for name, spec := range map[string]string{"plain": plain, "proxied": proxied("")} {
		pod := newPod(t, g.namespaces[""], spec)
		pod.Annotations = map[string]string{naming.AnnotationExcludeInboundPorts: "9090", "other": "1"}
		g.create(t, pod)
		g.pods[name] = pod
	}
	return g
}

func (g *ground) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := g.Client.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// install applies the policies.
func (g *ground) install(t *testing.T) {
	t.Helper()
	exempt := map[string]any{"users": []any{"backup"}, "groups": []any{"restorers"}, "serviceAccounts": []any{"velero/velero"}}
	for _, object := range render(t, chart.Options{Namespace: g.namespaces[""], Values: values("guards.exempt", exempt)}) {
		if strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
			apply(t, g.Cluster, object)
		}
	}
	g.await(t, true)
}

// await waits until each of the policies holds, or none does, such as those of another test: the API server learns of a
// change within a second or so.
func (g *ground) await(t *testing.T, holds bool) {
	t.Helper()
	all := guardCases()
	for _, name := range []string{"volume", "annotation changed", "user of a container", "the proxy's name for a container"} {
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
			return g.try(t, all[name]) != nil == holds, nil
		})
		if err != nil {
			t.Fatalf("%s: refused is not %t", name, holds)
		}
	}
}

// try makes the attempt, and stores nothing.
func (g *ground) try(t *testing.T, a attempt) error {
	t.Helper()
	as := a.as
	if as.UserName == "" {
		as.UserName = "editor"
	}
	as.Groups = append(slices.Clone(as.Groups), "system:authenticated")
	config := rest.CopyConfig(g.Config)
	config.Impersonate, config.WarningHandlerWithContext = as, rest.NoWarnings{}
	c, err := client.New(config, client.Options{Scheme: g.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	if a.pod != "" {
		pod := newPod(t, g.namespaces[a.in], a.pod)
		if a.inject != "" {
			pod.Labels = map[string]string{naming.LabelInject: a.inject}
		}
		return c.Create(t.Context(), pod, client.DryRunAll)
	}
	before := g.pods[a.of]
	if a.binding != nil {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: before.Name, Annotations: a.binding}, Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}
		if a.subresource == "" {
			binding.Namespace = before.Namespace
			return c.Create(t.Context(), binding, client.DryRunAll)
		}
		return c.SubResource(a.subresource).Create(t.Context(), before.DeepCopy(), binding, client.DryRunAll)
	}
	after := before.DeepCopy()
	a.change(after)
	owner := client.FieldOwner(a.owner)
	if a.owner == "" {
		owner = "test"
	}
	if a.subresource == "" {
		return c.Patch(t.Context(), after, client.StrategicMergeFrom(before), client.DryRunAll, owner)
	}
	return c.SubResource(a.subresource).Patch(t.Context(), after, client.StrategicMergeFrom(before), client.DryRunAll, owner)
}

func newPod(t *testing.T, ns, spec string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "p-"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	return p
}

// typesFit: the API server's own check of the expressions against the kinds finds nothing, such as a field that does not exist.
func (g *ground) typesFit(t *testing.T) {
	for _, name := range []string{"warifu-identity-secrets", "warifu-pod-annotations", "warifu-proxy-user", "warifu-proxy-containers"} {
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			err := g.Client.Get(ctx, client.ObjectKey{Name: name}, &policy)
			return policy.Status.TypeChecking != nil && policy.Status.ObservedGeneration == policy.Generation, err
		})
		if err != nil {
			t.Fatalf("%s: types are not checked: %v", name, err)
		}
		for _, w := range policy.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s: %s: %s", name, w.FieldRef, w.Warning)
		}
	}
}

// byController: a pod that a controller makes is a pod.
func (g *ground) byController(t *testing.T) {
	labels := map[string]string{"app": "thief"}
	template := newPod(t, "", `{containers: [{name: a, image: a, envFrom: [{secretRef: {name: `+other+`}}]}]}`)
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.namespaces["plain"], Name: "thief"},
		Spec: appsv1.ReplicaSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: template.Spec},
		},
	}
	g.create(t, set)
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		if err := g.Client.Get(ctx, client.ObjectKeyFromObject(set), set); err != nil {
			return false, err
		}
		return slices.ContainsFunc(set.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
			return c.Type == appsv1.ReplicaSetReplicaFailure && strings.Contains(c.Message, "envFrom of container a")
		}), nil
	})
	if err != nil || set.Status.Replicas > 0 {
		t.Errorf("%v; status %+v", err, set.Status)
	}
}

// injected: what the injector makes with the chart's settings is what the guards let pass, with both data planes.
func (g *ground) injected(t *testing.T) {
	settings := operatorConfig(t, nil).Injection
	for _, dataPlane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		ns := g.namespaces[naming.InjectionEnabled]
		pod := newPod(t, ns, `{serviceAccountName: web, containers: [{name: a, image: a}], initContainers: [{name: i, image: i}]}`)
		pod.Name, pod.Annotations = "injected", map[string]string{naming.AnnotationExcludeOutboundPorts: "5432"}
		outcome := inject.Decide(inject.Input{
			Pod:       pod,
			Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled}}},
			Settings: inject.Settings{
				RootNamespace: g.namespaces[""], TrustDomain: "cluster.local", DefaultDataPlane: dataPlane,
				ProxyImage: settings.ProxyImage, ProxyImagePullPolicy: settings.ProxyImagePullPolicy, ProxyResources: settings.ProxyResources,
			},
			Mode: proxyconfig.Strict, ClientMode: proxyconfig.ClientIstioMutual,
		})
		if outcome.Plan == nil {
			t.Fatalf("%s: %+v", dataPlane, outcome)
		}
		inject.Apply(outcome.Plan, pod)
		if err := g.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", dataPlane, err)
		}
	}
}
