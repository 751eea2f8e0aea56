package chart_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// guards installs the admission policies and returns the client of somebody who may edit the namespace.
func guards(t *testing.T, c *cluster.Cluster) (client.Client, string) {
	t.Helper()
	ns := c.Namespace(t, nil)
	for _, object := range render(t, chart.Options{Namespace: ns}) {
		if strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
			apply(t, c, object)
		}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "editor"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "editor"}},
		RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", APIGroup: rbacv1.GroupName, Name: "cluster-admin"},
	}
	for _, o := range []client.Object{account, binding} {
		if err := c.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "editor"}
	editor, err := client.New(config, client.Options{Scheme: c.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	// The API server learns of a policy within a second or so.
	forbidden := pod(t, ns, `{containers: [{name: a, image: a, envFrom: [{secretRef: {name: warifu-identity-x}}]}]}`)
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return editor.Create(ctx, forbidden.DeepCopy(), client.DryRunAll) != nil, nil
	})
	if err != nil {
		t.Fatal("the policies do not begin to hold")
	}
	return editor, ns
}

func pod(t *testing.T, ns, spec string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "p-"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGuardsOnCreation: by no path does a pod get at the identity of another ServiceAccount, or at the proxy's user.
func TestGuardsOnCreation(t *testing.T) {
	editor, ns := guards(t, cluster.Require(t))
	const other = "warifu-identity-web"
	for name, tc := range map[string]struct {
		spec    string
		refused string
	}{
		"nothing of ours":      {`{containers: [{name: a, image: a}]}`, ""},
		"its own":              {`{serviceAccountName: web, containers: [{name: a, image: a}], volumes: [{name: v, secret: {secretName: ` + other + `}}]}`, ""},
		"its own, by default":  {`{containers: [{name: a, image: a}], volumes: [{name: v, secret: {secretName: warifu-identity-default}}]}`, ""},
		"another Secret":       {`{containers: [{name: a, image: a, env: [{name: E, valueFrom: {secretKeyRef: {name: mine, key: k}}}]}], volumes: [{name: v, secret: {secretName: mine}}]}`, ""},
		"volume":               {`{containers: [{name: a, image: a}], volumes: [{name: v, secret: {secretName: ` + other + `}}]}`, "spec.volumes"},
		"projection":           {`{containers: [{name: a, image: a}], volumes: [{name: v, projected: {sources: [{secret: {name: ` + other + `}}]}}]}`, "spec.volumes"},
		"env":                  {`{containers: [{name: a, image: a, env: [{name: E, valueFrom: {secretKeyRef: {name: ` + other + `, key: tls.key}}}]}]}`, "env"},
		"envFrom":              {`{containers: [{name: a, image: a, envFrom: [{secretRef: {name: ` + other + `}}]}]}`, "envFrom"},
		"env of an init":       {`{containers: [{name: a, image: a}], initContainers: [{name: i, image: i, env: [{name: E, valueFrom: {secretKeyRef: {name: ` + other + `, key: tls.key}}}]}]}`, "env"},
		"the proxy's user":     {`{initContainers: [{name: warifu-proxy, image: p, securityContext: {runAsUser: 1774}}], containers: [{name: a, image: a, securityContext: {runAsUser: 1774}}]}`, "1774"},
		"the pod's user":       {`{securityContext: {runAsUser: 1774}, initContainers: [{name: warifu-proxy, image: p}], containers: [{name: a, image: a}]}`, "1774"},
		"the proxy itself":     {`{initContainers: [{name: warifu-proxy, image: p, securityContext: {runAsUser: 1774}}], containers: [{name: a, image: a}]}`, ""},
		"that user, unproxied": {`{containers: [{name: a, image: a, securityContext: {runAsUser: 1774}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, editor.Create(t.Context(), pod(t, ns, tc.spec), client.DryRunAll), tc.refused)
		})
	}
}

// TestGuardsOnUpdate: what comes after creation does not get past them either.
func TestGuardsOnUpdate(t *testing.T) {
	editor, ns := guards(t, cluster.Require(t))
	created := pod(t, ns, `{containers: [{name: a, image: a}]}`)
	created.Annotations = map[string]string{naming.AnnotationExcludeInboundPorts: "9090", "other": "1"}
	if err := editor.Create(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	annotate := func(change func(map[string]string)) func(*corev1.Pod) {
		return func(p *corev1.Pod) { change(p.Annotations) }
	}
	for name, tc := range map[string]struct {
		change      func(*corev1.Pod)
		subresource string
		refused     string
	}{
		"another annotation": {annotate(func(a map[string]string) { a["other"] = "2" }), "", ""},
		"changed":            {annotate(func(a map[string]string) { a[naming.AnnotationExcludeInboundPorts] = "8080" }), "", "warifu.dev/"},
		"removed":            {annotate(func(a map[string]string) { delete(a, naming.AnnotationExcludeInboundPorts) }), "", "warifu.dev/"},
		"added":              {annotate(func(a map[string]string) { a[naming.AnnotationMTLSMode] = "DISABLE" }), "", "warifu.dev/"},
		"by the status":      {annotate(func(a map[string]string) { a[naming.AnnotationMTLSMode] = "DISABLE" }), "status", "warifu.dev/"},
		"ephemeral container": {func(p *corev1.Pod) {
			e := corev1.EphemeralContainer{}
			e.Name, e.Image = "debug", "debug"
			e.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "warifu-identity-web"}}}}
			p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, e)
		}, "ephemeralcontainers", "envFrom"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := created.DeepCopy()
			tc.change(changed)
			var err error
			if tc.subresource == "" {
				err = editor.Patch(t.Context(), changed, client.MergeFrom(created), client.DryRunAll)
			} else {
				err = editor.SubResource(tc.subresource).Patch(t.Context(), changed, client.MergeFrom(created), client.DryRunAll)
			}
			check(t, err, tc.refused)
		})
	}
}

// check wants an error that says refused, or none if that is empty.
func check(t *testing.T, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Errorf("refused: %v", err)
	case refused != "" && (err == nil || !strings.Contains(err.Error(), refused)):
		t.Errorf("got %v, want a refusal that says %q", err, refused)
	}
}
