package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/naming"
)

// injectedPod shows what the injector changed in a pod: against the same pod, opted out, that the API server is asked for
// without storing it.
func (d *demo) injectedPod(ctx context.Context) error {
	pod := &corev1.Pod{}
	if err := d.cluster.Client.Get(ctx, client.ObjectKey{Namespace: shop, Name: orders}, pod); err != nil {
		return err
	}
	twin := &corev1.Pod{}
	if err := json.Unmarshal([]byte(pod.Annotations[corev1.LastAppliedConfigAnnotation]), twin); err != nil {
		return fmt.Errorf("pod %s as it was applied: %w", pod.Name, err)
	}
	twin.Name = pod.Name + "-not-injected"
	twin.Labels = maps.Clone(pod.Labels)
	twin.Labels[naming.LabelInject] = naming.InjectFalse
	if err := d.cluster.Client.Create(ctx, twin, client.DryRunAll); err != nil {
		return err
	}
	before, after, err := text(twin, pod)
	if err != nil {
		return err
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(before), B: difflib.SplitLines(after), FromFile: "as applied", ToFile: "as stored", Context: 2,
	})
	if err != nil {
		return err
	}
	d.report.say("The pod %s of hack/demo/manifests as the API server stored it, against what it would be without Warifu:", pod.Name)
	d.report.diff(diff)
	d.checkInjected(pod, diff)
	return nil
}

// checkInjected checks what the vocabulary promises to applications.
func (d *demo) checkInjected(pod *corev1.Pod, diff string) {
	removed := slices.ContainsFunc(strings.Split(diff, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "---")
	})
	d.report.check(!removed, "injection only adds")
	env := map[string]string{}
	for _, variable := range pod.Spec.Containers[0].Env {
		env[variable.Name] = variable.Value
	}
	want := map[string]string{
		naming.EnvMTLSMode:      "STRICT",
		naming.EnvClientTLSMode: "ISTIO_MUTUAL",
		naming.EnvIdentity:      idOf(pod.Spec.ServiceAccountName).String(),
		naming.EnvTLSCert:       naming.TLSDir + "/" + naming.FileCert,
		naming.EnvTLSKey:        naming.TLSDir + "/" + naming.FileKey,
		naming.EnvTLSCA:         naming.TLSDir + "/" + naming.FileCA,
	}
	for name, value := range want {
		if env[name] != value {
			d.report.check(false, "%s is %q; want %q", name, env[name], value)
			return
		}
	}
	d.report.check(true, "the container is told its mode, its identity and where its files are")
}

// text is both pods as YAML, without what differs between any two pods.
func text(a, b *corev1.Pod) (string, string, error) {
	var out [2]string
	for i, pod := range []*corev1.Pod{a, b} {
		pod = pod.DeepCopy()
		token := pod.Spec.Volumes[0].Name
		pod.ObjectMeta = metav1.ObjectMeta{Name: b.Name, Namespace: pod.Namespace, Labels: pod.Labels, Annotations: pod.Annotations}
		delete(pod.Labels, naming.LabelInject)
		delete(pod.Annotations, corev1.LastAppliedConfigAnnotation)
		if len(pod.Annotations) == 0 {
			pod.Annotations = nil
		}
		pod.Status = corev1.PodStatus{}
		content, err := yaml.Marshal(pod)
		if err != nil {
			return "", "", err
		}
		out[i] = strings.ReplaceAll(string(content), token, "kube-api-access")
	}
	return out[0], out[1], nil
}
