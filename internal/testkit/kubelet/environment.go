package kubelet

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Environment is the environment of a container, NAME=value, with fields of the pod and references to earlier variables put in.
// What this kubelet does not know is an error.
func Environment(pod *corev1.Pod, container *corev1.Container) ([]string, error) {
	if len(container.EnvFrom) > 0 {
		return nil, fmt.Errorf("container %s: envFrom is not known here", container.Name)
	}
	var out []string
	values := map[string]string{}
	for _, variable := range container.Env {
		value := expand(variable.Value, values)
		if from := variable.ValueFrom; from != nil {
			if from.FieldRef == nil {
				return nil, fmt.Errorf("container %s, variable %s: only fields of the pod are known here", container.Name, variable.Name)
			}
			var err error
			if value, err = field(pod, from.FieldRef.FieldPath); err != nil {
				return nil, fmt.Errorf("container %s, variable %s: %w", container.Name, variable.Name, err)
			}
		}
		values[variable.Name] = value
		out = append(out, variable.Name+"="+value)
	}
	return out, nil
}

// reference is $(NAME), or $$ which stands for one dollar sign.
var reference = regexp.MustCompile(`\$\$|\$\([^)]*\)`)

// expand puts variables in; a reference to an unknown one stays as it is.
func expand(text string, values map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "$$" {
			return "$"
		}
		if value, ok := values[ref[2:len(ref)-1]]; ok {
			return value
		}
		return ref
	})
}

// field is a field of the pod as text.
func field(pod *corev1.Pod, path string) (string, error) {
	if values, key, ok := keyed(pod, path); ok {
		return values[key], nil
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP":
		return pod.Status.PodIP, nil
	case "status.podIPs":
		var ips []string
		for _, ip := range pod.Status.PodIPs {
			ips = append(ips, ip.IP)
		}
		return strings.Join(ips, ","), nil
	case "status.hostIP":
		return pod.Status.HostIP, nil
	}
	return "", fmt.Errorf("field %s is not known here", path)
}

// keyed reads metadata.labels['key'] and metadata.annotations['key'].
func keyed(pod *corev1.Pod, path string) (values map[string]string, key string, ok bool) {
	name, rest, _ := strings.Cut(path, "['")
	key, ok = strings.CutSuffix(rest, "']")
	switch name {
	case "metadata.labels":
		return pod.Labels, key, ok
	case "metadata.annotations":
		return pod.Annotations, key, ok
	}
	return nil, "", false
}
