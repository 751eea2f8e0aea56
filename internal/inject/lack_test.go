package inject

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
)

func TestMissing(t *testing.T) {
	injected := func(in *Input) {
		outcome := Decide(*in)
		if outcome.Plan == nil {
			t.Fatalf("not injected: %+v", outcome)
		}
		Apply(outcome.Plan, in.Pod)
	}
	// stripped is a pod of which only the names are known.
	stripped := func(in *Input) {
		for i := range in.Pod.Spec.Volumes {
			in.Pod.Spec.Volumes[i] = corev1.Volume{Name: in.Pod.Spec.Volumes[i].Name}
		}
		for _, list := range [][]corev1.Container{in.Pod.Spec.InitContainers, in.Pod.Spec.Containers} {
			for i := range list {
				list[i] = corev1.Container{Name: list[i].Name}
			}
		}
	}
	podLabel := func(key, value string) func(*Input) { return func(in *Input) { in.Pod.Labels[key] = value } }
	namespaceLabel := func(key, value string) func(*Input) { return func(in *Input) { in.Namespace.Labels[key] = value } }
	for name, tc := range map[string]struct {
		edits []func(*Input)
		want  LackReason
		say   string
	}{
		"not injected":                        {nil, LackNotInjected, "before it or its namespace opted in"},
		"not injected, sidecar":               {[]func(*Input){sidecar}, LackNotInjected, ""},
		"injected":                            {[]func(*Input){injected}, "", ""},
		"injected, by its names":              {[]func(*Input){injected, stripped}, "", ""},
		"injected, sidecar":                   {[]func(*Input){sidecar, injected}, "", ""},
		"injected, sidecar, by its names":     {[]func(*Input){sidecar, injected, stripped}, "", ""},
		"asked by its own label":              {[]func(*Input){namespaceLabel(naming.LabelInjection, ""), podLabel(naming.LabelInject, "true")}, LackNotInjected, ""},
		"did not opt in":                      {[]func(*Input){namespaceLabel(naming.LabelInjection, "")}, "", ""},
		"opted out":                           {[]func(*Input){podLabel(naming.LabelInject, "false")}, "", ""},
		"namespace opted out":                 {[]func(*Input){namespaceLabel(naming.LabelInjection, "disabled"), podLabel(naming.LabelInject, "true")}, "", ""},
		"hostNetwork":                         {[]func(*Input){func(in *Input) { in.Pod.Spec.HostNetwork = true }}, "", ""},
		"mirror pod":                          {[]func(*Input){func(in *Input) { in.Pod.Annotations[corev1.MirrorPodAnnotationKey] = "x" }}, "", ""},
		"operator's namespace":                {[]func(*Input){func(in *Input) { in.Namespace.Name = "warifu-system" }}, "", ""},
		"system namespace":                    {[]func(*Input){func(in *Input) { in.Namespace.Name = "kube-system" }}, "", ""},
		"now sidecar":                         {[]func(*Input){injected, stripped, sidecar}, LackOtherDataPlane, `for data plane "none", and a new one would be for "sidecar"`},
		"now none":                            {[]func(*Input){sidecar, injected, stripped, namespaceLabel(naming.LabelDataPlane, "none")}, LackOtherDataPlane, ""},
		"opted out since":                     {[]func(*Input){injected, stripped, sidecar, namespaceLabel(naming.LabelInjection, "disabled")}, "", ""},
		"a label nobody knows, since":         {[]func(*Input){injected, stripped, podLabel(naming.LabelDataPlane, "ambient")}, "", ""},
		"a new one would be refused":          {[]func(*Input){podLabel(naming.LabelDataPlane, "ambient")}, LackRefused, "ambient"},
		"Pod Security would refuse a new one": {[]func(*Input){sidecar, namespaceLabel("pod-security.kubernetes.io/enforce", "restricted")}, LackRefused, "namespace.metadata.labels"},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(tc.edits...)
			lack := Missing(in)
			if lack == nil {
				lack = &Lack{}
			}
			if lack.Reason != tc.want || !strings.Contains(lack.Message, tc.say) {
				t.Errorf("got %q: %s; want %q: %s", lack.Reason, lack.Message, tc.want, tc.say)
			}
		})
	}
}
