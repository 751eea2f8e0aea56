package inject

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Exclusions is the traffic that a pod's annotations keep away from the proxy, ascending and without repetition.
type Exclusions struct {
	InboundPorts  []uint16
	OutboundPorts []uint16
	OutboundCIDRs []netip.Prefix
}

// ExclusionsOf reads the exclusion annotations of a pod.
func ExclusionsOf(annotations map[string]string) (Exclusions, *Refusal) {
	var out Exclusions
	var refusal *Refusal
	if out.InboundPorts, refusal = parsePorts(annotations, naming.AnnotationExcludeInboundPorts); refusal != nil {
		return Exclusions{}, refusal
	}
	if out.OutboundPorts, refusal = parsePorts(annotations, naming.AnnotationExcludeOutboundPorts); refusal != nil {
		return Exclusions{}, refusal
	}
	if out.OutboundCIDRs, refusal = parseCIDRs(annotations, naming.AnnotationExcludeOutboundCIDRs); refusal != nil {
		return Exclusions{}, refusal
	}
	return out, nil
}

func parsePorts(annotations map[string]string, key string) ([]uint16, *Refusal) {
	var ports []uint16
	for _, item := range items(annotations[key]) {
		port, err := strconv.ParseUint(item, 10, 16)
		if err != nil || port == 0 {
			return nil, &Refusal{RefusalExclusion, annotationField(key),
				fmt.Sprintf("%q is not a port; write numbers from 1 to 65535 with commas between them", item)}
		}
		ports = append(ports, uint16(port))
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

func parseCIDRs(annotations map[string]string, key string) ([]netip.Prefix, *Refusal) {
	var prefixes []netip.Prefix
	for _, item := range items(annotations[key]) {
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			return nil, &Refusal{RefusalExclusion, annotationField(key),
				fmt.Sprintf("%q is not a range; write CIDRs such as 10.0.0.0/8 with commas between them", item)}
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	return slices.Compact(prefixes), nil
}

// refuseWaits finds what cannot be read in the pod's waits for its clients. The compiler reads them again for the proxy.
func refuseWaits(pod *corev1.Pod) *Refusal {
	if _, err := proxyconfig.ParseWaits(pod.Annotations[naming.AnnotationClientWait]); err != nil {
		return &Refusal{RefusalWait, annotationField(naming.AnnotationClientWait), err.Error()}
	}
	return nil
}

// proxyVolumes are the user's volumes that the proxy shall see.
func proxyVolumes(pod *corev1.Pod) ([]string, *Refusal) {
	refuse := func(format string, args ...any) *Refusal {
		return &Refusal{RefusalProxyVolume, annotationField(naming.AnnotationProxyVolumes), fmt.Sprintf(format, args...)}
	}
	var names []string
	for _, name := range items(pod.Annotations[naming.AnnotationProxyVolumes]) {
		switch {
		case slices.Contains(ourVolumes, name):
			return nil, refuse("volume %q is Warifu's own; name volumes of the pod", name)
		case !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }):
			return nil, refuse("the pod has no volume %q; add it to spec.volumes or take it off the list", name)
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return names, nil
}

// items splits a list at commas; spaces around an item and empty items do not count.
func items(list string) []string {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// flags are the exclusions as arguments of the redirect.
func (e Exclusions) flags() []string {
	var out []string
	for _, f := range []struct{ name, value string }{
		{naming.FlagExcludeInboundPorts, joined(e.InboundPorts)},
		{naming.FlagExcludeOutboundPorts, joined(e.OutboundPorts)},
		{naming.FlagExcludeOutboundCIDRs, joined(e.OutboundCIDRs)},
	} {
		if f.value != "" {
			out = append(out, f.name+"="+f.value)
		}
	}
	return out
}

func joined[T any](list []T) string {
	words := make([]string, len(list))
	for i, item := range list {
		words[i] = fmt.Sprint(item)
	}
	return strings.Join(words, ",")
}
