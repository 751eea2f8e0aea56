package inject

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"

	"github.com/warifu/warifu/internal/naming"
)

// FuzzApplyIdempotent fills pods at random and checks what must hold of every one that is injected: nothing is left to do
// the second time, the patch says the same as the pod, and whatever the user wrote is still there.
func FuzzApplyIdempotent(f *testing.F) {
	for seed := range byte(40) {
		data := make([]byte, 768)
		for i := range data {
			data[i] = byte(i*i*int(seed+3)>>3) ^ byte(i*int(seed))
		}
		f.Add(seed%2 == 0, data)
	}
	f.Fuzz(func(t *testing.T, withProxy bool, data []byte) {
		in := input()
		if withProxy {
			sidecar(&in)
		}
		in.Pod = randomPod(data)
		before := in.Pod.DeepCopy()
		plan := Decide(in).Plan
		if !equality.Semantic.DeepEqual(before, in.Pod) { // of many times cmp.Diff's speed
			t.Fatalf("Decide changed the pod:\n%s", cmp.Diff(before, in.Pod))
		}
		if plan == nil {
			return
		}
		in.Pod = mustInject(t, in)
		keepsUsersFields(t, before, in.Pod)
		if again := Decide(in); again.Skip != SkipAlreadyInjected {
			t.Fatalf("the second time: %+v, %v", again, again.Refusal)
		}
	})
}

// randomPod has few names, paths and ports to choose from, so that they meet, ours among them.
func randomPod(data []byte) *corev1.Pod {
	pick := func(c randfill.Continue, from ...string) string { return from[c.Intn(len(from))] }
	filler := randfill.NewFromGoFuzz(data).NilChance(.5).NumElements(0, 3).MaxDepth(12).Funcs(
		func(s *string, c randfill.Continue) { *s = pick(c, "", "a", "b", "$(A)", "~/") },
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(int64(c.Intn(9)), resource.DecimalSI)
		},
		func(p *intstr.IntOrString, c randfill.Continue) {
			if *p = intstr.FromInt32(int32(c.Intn(3)) + 15019); c.Bool() {
				*p = intstr.FromString(pick(c, "a", "b"))
			}
		},
		func(v *corev1.Volume, c randfill.Continue) {
			c.FillNoCustom(v)
			v.Name = pick(c, "a", "b", "c", naming.VolumeTLS)
		},
		func(m *corev1.VolumeMount, c randfill.Continue) {
			c.FillNoCustom(m)
			m.Name = pick(c, "a", "b", "c", naming.VolumeMode)
			m.MountPath = pick(c, "/a", "/b", "/var/run", "/c", naming.TLSDir)
		},
		func(e *corev1.EnvVar, c randfill.Continue) {
			c.FillNoCustom(e)
			e.Name = pick(c, "A", "B", naming.EnvMTLSMode, naming.EnvIdentity)
		},
		func(s *corev1.SecurityContext, c randfill.Continue) { c.FillNoCustom(s); s.RunAsUser = nil },
	)
	pod := &corev1.Pod{}
	filler.Fill(&pod.Spec)
	filler.Fill(&pod.Annotations)
	pod.Spec.HostNetwork, pod.Spec.OS, pod.Spec.ServiceAccountName = false, nil, "web"
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Name = fmt.Sprintf("c%d", i)
	}
	for i := range pod.Spec.InitContainers {
		pod.Spec.InitContainers[i].Name = fmt.Sprintf("i%d", i)
	}
	return pod
}

// keepsUsersFields takes out of the pod what is ours, and compares the rest with the pod before.
func keepsUsersFields(t *testing.T, before, after *corev1.Pod) {
	t.Helper()
	want, got := before.DeepCopy(), after.DeepCopy()
	for _, pod := range []*corev1.Pod{want, got} {
		for _, key := range []string{naming.AnnotationStatus, naming.AnnotationMTLSMode, naming.AnnotationClientTLSMode, naming.AnnotationIdentity} {
			delete(pod.Annotations, key)
		}
		pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return slices.Contains(ourVolumes, v.Name) })
		pod.Spec.InitContainers = slices.DeleteFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return ourContainer(c.Name) })
		for c := range applicationContainers(pod) {
			withoutOurs(c)
		}
	}
	if !equality.Semantic.DeepEqual(want, got) {
		t.Fatalf("the user's fields changed (-before +after):\n%s", cmp.Diff(want, got))
	}
}

// withoutOurs takes out what Apply may have added, and the handlers that it may have redirected: TestProbes checks those.
func withoutOurs(c *corev1.Container) {
	plan := &Plan{}
	c.Env = slices.DeleteFunc(c.Env, func(v corev1.EnvVar) bool {
		return slices.ContainsFunc(plan.materialEnv(), func(ours corev1.EnvVar) bool { return ours.Name == v.Name })
	})
	c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return reserved(m.MountPath) })
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if probe != nil {
			probe.HTTPGet, probe.TCPSocket, probe.GRPC = nil, nil, nil
		}
	}
	if c.Lifecycle != nil {
		for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if hook != nil {
				hook.HTTPGet, hook.TCPSocket = nil, nil
			}
		}
	}
}
