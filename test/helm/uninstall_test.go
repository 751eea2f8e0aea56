package helm_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// uninstall: there is no time at which a pod waits for a webhook that has lost its Service or its operator, and none at which
// the operator runs without the guards.
func (r release) uninstall(t *testing.T, made []client.Object, before map[string]types.UID) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "next"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	if err := r.Client.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err == nil {
		t.Fatal("pods of opted-in namespaces do not wait for the webhook")
	}
	operator := metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: "warifu-operator"}
	first := []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: naming.WebhookMutating}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: naming.WebhookValidator}},
	}
	then := []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: naming.ServiceWebhook}},
		&appsv1.Deployment{ObjectMeta: operator},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: operator.Name}},
	}
	last := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "warifu-identity-secrets"}}
	deleted := r.watchDeletions(t, append(slices.Concat(first, then), last))
	r.run(t, "uninstall", "warifu")
	if err := r.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("pods cannot start: %v", err)
	}
	order := deleted()
	for _, b := range then {
		for _, a := range first {
			if slices.Index(order, key(a)) > slices.Index(order, key(b)) {
				t.Errorf("%s goes after %s", key(a), key(b))
			}
		}
		if slices.Index(order, key(b)) > slices.Index(order, key(last)) {
			t.Errorf("%s goes after %s", key(b), key(last))
		}
	}
	for _, o := range made {
		switch got := r.uid(t, o); {
		case isInstalled(o) && got != "":
			t.Errorf("%s is still there", key(o))
		case !isInstalled(o) && got != before[key(o)]:
			t.Errorf("%s is gone", key(o))
		}
	}
}

// watchDeletions returns a function that waits until all objects are deleted and says in which order they were.
func (r release) watchDeletions(t *testing.T, objects []client.Object) func() []string {
	t.Helper()
	watching, err := client.NewWithWatch(r.Config, client.Options{Scheme: r.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	versions := map[string]string{} // the resource versions of deletion, of equal length
	for _, list := range []client.ObjectList{
		&admissionregistrationv1.MutatingWebhookConfigurationList{}, &admissionregistrationv1.ValidatingWebhookConfigurationList{},
		&corev1.ServiceList{}, &appsv1.DeploymentList{}, &rbacv1.ClusterRoleList{}, &admissionregistrationv1.ValidatingAdmissionPolicyList{},
	} {
		w, err := watching.Watch(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		go func() {
			for event := range w.ResultChan() {
				if o, ok := event.Object.(client.Object); ok && event.Type == watch.Deleted {
					mu.Lock()
					versions[key(o)] = fmt.Sprintf("%020s", o.GetResourceVersion())
					mu.Unlock()
				}
			}
		}()
	}
	return func() []string {
		eventually(t, "events of deletion", func(context.Context) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			missing := slices.ContainsFunc(objects, func(o client.Object) bool { return versions[key(o)] == "" })
			return !missing, nil
		})
		mu.Lock()
		defer mu.Unlock()
		return slices.SortedFunc(maps.Keys(versions), func(a, b string) int { return cmp.Compare(versions[a], versions[b]) })
	}
}

// purge plays kubelet for the Job: it runs the operator's command with the arguments and the rights that the chart gives it.
func (r release) purge(t *testing.T) {
	ended := make(chan string, 1)
	go func() {
		out, err := r.try(t, "uninstall", "warifu")
		if err != nil {
			out = fmt.Sprintf("%v\n%s", err, out)
		} else {
			out = ""
		}
		ended <- out
	}()
	var job batchv1.Job
	eventually(t, "the Job", func(ctx context.Context) (bool, error) {
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: naming.DefaultNamespace, Name: "warifu-purge"}, &job)
		return err == nil, client.IgnoreNotFound(err)
	})
	spec := job.Spec.Template.Spec
	access, err := r.As(t.Context(), naming.DefaultNamespace, spec.ServiceAccountName)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cluster.WriteKubeconfig(access, kubeconfig); err != nil {
		t.Fatal(err)
	}
	command := app.NewCommand()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(append(spec.Containers[0].Args, "--kubeconfig", kubeconfig))
	if err := command.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	r.finish(t, &job)
	if failure := <-ended; failure != "" {
		t.Fatal(failure)
	}
	var left []string
	var secrets corev1.SecretList
	if err := r.Client.List(t.Context(), &secrets); err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets.Items {
		left = append(left, s.Namespace+"/"+s.Name)
	}
	if diff := gocmp.Diff([]string{shop + "/" + naming.IdentitySecret("mine"), shop + "/" + naming.IdentitySecret("users")}, left); diff != "" {
		t.Errorf("Secrets left (-want +got):\n%s", diff)
	}
	r.awaitNoCRDs(t)
	for _, o := range []client.Object{&corev1.ServiceAccount{}, &batchv1.Job{}} {
		if err := r.Client.Get(t.Context(), client.ObjectKey{Namespace: naming.DefaultNamespace, Name: "warifu-purge"}, o); !apierrors.IsNotFound(err) {
			t.Errorf("%T is left: %v", o, err)
		}
	}
}

// awaitNoCRDs: Kubernetes waits up to a minute for the objects of a kind before it tries again to delete them.
func (r release) awaitNoCRDs(t *testing.T) {
	t.Helper()
	var crds apiextensionsv1.CustomResourceDefinitionList
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 3*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := r.Client.List(ctx, &crds)
		return len(crds.Items) == 0, err
	})
	if err == nil {
		return
	}
	for _, crd := range crds.Items {
		t.Errorf("%s is left: %+v", crd.Name, crd.Status.Conditions)
	}
	t.Fatal(err)
}

// finish says, as kubelet does, that the Job's pod has succeeded; Kubernetes' own controller does the rest.
func (r release) finish(t *testing.T, job *batchv1.Job) {
	t.Helper()
	eventually(t, "the Job's pod", func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := r.Client.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name})
		if err != nil || len(pods.Items) == 0 {
			return false, err
		}
		pod := &pods.Items[0]
		pod.Status.Phase = corev1.PodSucceeded
		err = r.Client.Status().Update(ctx, pod)
		return err == nil, client.IgnoreNotFound(err)
	})
}
