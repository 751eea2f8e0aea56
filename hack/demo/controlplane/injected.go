package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/pmezard/go-difflib/difflib"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/chart"
)

// injectedPod shows what the injector changed in a pod: against its twin, the same manifest opted out.
func (d *demo) injectedPod(ctx context.Context) error {
	pod := &corev1.Pod{}
	if err := d.cluster.Client.Get(ctx, client.ObjectKey{Namespace: shop, Name: orders}, pod); err != nil {
		return err
	}
	twin, err := d.twin(ctx, orders)
	if err != nil {
		return err
	}
	normalise(pod)
	normalise(twin)
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(twin), B: lines(pod), FromFile: "without", ToFile: "with", Context: 2,
	})
	if err != nil {
		return err
	}
	d.report.Say("The pod %s as the API server stored it, against what it would be without Warifu:", orders)
	d.report.Diff(diff)
	d.report.Check(cmp.Diff(twin, withoutOurs(pod)) == "", "injection adds, and changes nothing that was there")
	d.report.Check(told(pod), "the container is told its mode, its identity and where its files are")
	return d.sidecar(ctx)
}

// sidecar looks at the pod whose TLS is a proxy's business.
func (d *demo) sidecar(ctx context.Context) error {
	pod := &corev1.Pod{}
	if err := d.cluster.Client.Get(ctx, client.ObjectKey{Namespace: shop, Name: payments}, pod); err != nil {
		return err
	}
	var names []string
	for _, container := range pod.Spec.InitContainers {
		names = append(names, container.Name)
	}
	keyInApp := slices.ContainsFunc(pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
		return m.Name == naming.VolumeTLS
	})
	d.report.Check(slices.Equal(names, []string{naming.ContainerRedirect, naming.ContainerProxy}) && !keyInApp,
		"pod payments chose the data plane sidecar: it got %s, and no key in its own container", strings.Join(names, " and "))
	return nil
}

// twin is a pod of the manifests that opts out. The API server is asked to make it, so that it has every default, but not
// to store it.
func (d *demo) twin(ctx context.Context, name string) (*corev1.Pod, error) {
	files, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := chart.Decode(string(content))
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			if object.GetKind() != "Pod" || object.GetName() != name {
				continue
			}
			pod := &corev1.Pod{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, pod); err != nil {
				return nil, err
			}
			pod.Name += "-twin"
			metav1.SetMetaDataLabel(&pod.ObjectMeta, naming.LabelInject, naming.InjectFalse)
			return pod, d.cluster.Client.Create(ctx, pod, client.DryRunAll)
		}
	}
	return nil, fmt.Errorf("no pod %s in %s", name, manifests)
}

// normalise removes what differs between any two pods.
func normalise(pod *corev1.Pod) {
	delete(pod.Labels, naming.LabelInject)
	pod.ObjectMeta = metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations}
	pod.Status = corev1.PodStatus{}
	// The volume of the API token ends in five random letters.
	const token = "kube-api-access"
	for i := range pod.Spec.Volumes {
		if strings.HasPrefix(pod.Spec.Volumes[i].Name, token) {
			pod.Spec.Volumes[i].Name = token
		}
	}
	for i := range pod.Spec.Containers {
		for j := range pod.Spec.Containers[i].VolumeMounts {
			if mount := &pod.Spec.Containers[i].VolumeMounts[j]; strings.HasPrefix(mount.Name, token) {
				mount.Name = token
			}
		}
	}
}

// withoutOurs is a pod without everything that bears Warifu's names.
func withoutOurs(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	for annotation := range pod.Annotations {
		if strings.HasPrefix(annotation, naming.Group+"/") {
			delete(pod.Annotations, annotation)
		}
	}
	if len(pod.Annotations) == 0 {
		pod.Annotations = nil
	}
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == naming.VolumeTLS || v.Name == naming.VolumeMode
	})
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return strings.HasPrefix(e.Name, "WARIFU_") })
		if len(c.Env) == 0 {
			c.Env = nil
		}
		c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return strings.HasPrefix(m.MountPath, naming.SecretsDir)
		})
	}
	return pod
}

// told says whether the first container has the environment that the vocabulary promises.
func told(pod *corev1.Pod) bool {
	got := map[string]string{}
	for _, variable := range pod.Spec.Containers[0].Env {
		got[variable.Name] = variable.Value
	}
	return cmp.Equal(got, map[string]string{
		naming.EnvMTLSMode:      string(proxyconfig.Strict),
		naming.EnvClientTLSMode: string(proxyconfig.ClientIstioMutual),
		naming.EnvIdentity:      idOf(pod.Spec.ServiceAccountName).String(),
		naming.EnvTLSCert:       naming.TLSDir + "/" + naming.FileCert,
		naming.EnvTLSKey:        naming.TLSDir + "/" + naming.FileKey,
		naming.EnvTLSCA:         naming.TLSDir + "/" + naming.FileCA,
	})
}

// lines is a pod as YAML.
func lines(pod *corev1.Pod) []string {
	content, err := yaml.Marshal(pod)
	if err != nil {
		return []string{err.Error()}
	}
	return slices.Collect(strings.Lines(strings.TrimSuffix(string(content), "status: {}\n")))
}
