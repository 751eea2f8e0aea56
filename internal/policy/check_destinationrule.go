package policy

import (
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
)

func (c *checker) destinationRule(spec *v1alpha1.DestinationRuleSpec) {
	at := field.NewPath("spec")
	selected := choosesPods(spec.WorkloadSelector)
	c.host(at.Child("host"), spec.Host)
	c.trafficPolicy(at.Child("trafficPolicy"), spec.TrafficPolicy, selected)
	c.subsets(at.Child("subsets"), spec.Subsets, selected)
	c.exportTo(at.Child("exportTo"), spec)
	c.selector(at.Child("workloadSelector"), spec.WorkloadSelector, "the clients of this whole namespace")
}

func (c *checker) trafficPolicy(at *field.Path, p *v1alpha1.TrafficPolicy, selected bool) {
	if p == nil {
		return
	}
	refused := c.refuseTrafficSettings(at, p.UnsupportedTrafficSettings)
	refused = c.refuse(at.Child("tunnel"), p.Tunnel != nil, "connections go straight to their destination") || refused
	refused = c.refuse(at.Child("proxyProtocol"), p.ProxyProtocol != nil, "Warifu sends no PROXY header") || refused
	refused = c.refuse(at.Child("retryBudget"), p.RetryBudget != nil, "Warifu does not retry") || refused
	if p.TLS == nil && len(p.PortLevelSettings) == 0 && !refused {
		c.errorf(at, ReasonRequired, "trafficPolicy sets nothing: set tls or portLevelSettings, or remove it")
	}
	c.clientTLS(at.Child("tls"), p.TLS, selected)
	c.portLevelSettings(at.Child("portLevelSettings"), p.PortLevelSettings, selected)
}

func (c *checker) portLevelSettings(at *field.Path, ports []v1alpha1.PortTrafficPolicy, selected bool) {
	c.atMost(at, len(ports), 128)
	seen := map[uint32]int{}
	for i := range ports {
		at, p := at.Index(i), &ports[i]
		number := at.Child("port", "number")
		switch {
		case p.Port == nil:
			c.errorf(at.Child("port"), ReasonRequired, "the entry names no port: write port.number, a port of the Service")
		case p.Port.Number < 1 || p.Port.Number > 65535:
			c.errorf(number, ReasonInvalid, "%d is not a port: write a number from 1 to 65535", p.Port.Number)
		default:
			if first, ok := seen[p.Port.Number]; ok {
				c.errorf(number, ReasonDuplicate, "port %d is listed already, in entry %d: keep one of them", p.Port.Number, first)
			} else {
				seen[p.Port.Number] = i
			}
		}
		refused := c.refuseTrafficSettings(at, p.UnsupportedTrafficSettings)
		if p.TLS == nil && !refused {
			c.errorf(at, ReasonRequired, "the entry sets nothing: set tls, or remove the entry")
		}
		c.clientTLS(at.Child("tls"), p.TLS, selected)
	}
}

// refuseTrafficSettings refuses what has nothing to do with TLS, and says whether there was anything.
func (c *checker) refuseTrafficSettings(at *field.Path, u v1alpha1.UnsupportedTrafficSettings) bool {
	balancer := c.refuse(at.Child("loadBalancer"), u.LoadBalancer != nil, "Kubernetes' own Service load balancing stays in place")
	pool := c.refuse(at.Child("connectionPool"), u.ConnectionPool != nil, "set limits and timeouts in the application")
	outlier := c.refuse(at.Child("outlierDetection"), u.OutlierDetection != nil, "readiness probes take endpoints out")
	return balancer || pool || outlier
}

func (c *checker) refuse(at *field.Path, present bool, why string) bool {
	if present {
		c.errorf(at, ReasonUnsupported, "not supported: %s; remove the field", why)
	}
	return present
}

func (c *checker) subsets(at *field.Path, subsets []v1alpha1.Subset, selected bool) {
	c.atMost(at, len(subsets), 64)
	seen := map[string]bool{}
	for i := range subsets {
		at, subset := at.Index(i), &subsets[i]
		switch {
		case subset.Name == "":
			c.errorf(at.Child("name"), ReasonRequired, "a subset has a name")
		case len(validation.IsDNS1123Label(subset.Name)) > 0:
			c.errorf(at.Child("name"), ReasonInvalid, "%q is not a name: 1 to 63 lower-case letters, digits and inner dashes", subset.Name)
		case seen[subset.Name]:
			c.errorf(at.Child("name"), ReasonDuplicate, "there is a subset %q already: rename one of them", subset.Name)
		}
		seen[subset.Name] = true
		c.labels(at.Child("labels"), subset.Labels)
		c.trafficPolicy(at.Child("trafficPolicy"), subset.TrafficPolicy, selected)
		c.warnf(at, ReasonSubsetNeverSelected,
			"nothing selects a subset where connections are chosen by address, so its settings are never used: put them on the rule, or on a Service for the subset's pods")
	}
}

func (c *checker) exportTo(at *field.Path, spec *v1alpha1.DestinationRuleSpec) {
	c.atMost(at, len(spec.ExportTo), 256)
	seen := map[string]bool{}
	for i, value := range spec.ExportTo {
		namespace := value
		if value == "." && c.object.Namespace != "" {
			namespace = c.object.Namespace
		}
		switch {
		case value == "~":
			c.errorf(at.Index(i), ReasonUnsupported, "'~' exports a rule to nobody: remove the rule instead")
		case value == "*" && len(spec.ExportTo) > 1:
			c.errorf(at.Index(i), ReasonExclusive, "'*' already means every namespace: list it alone")
		case value != "*" && value != "." && len(validation.IsDNS1123Label(value)) > 0:
			c.errorf(at.Index(i), ReasonInvalid, "%q is not a namespace: write a name, '.' for the rule's own, or '*' for all", value)
		case seen[namespace]:
			c.errorf(at.Index(i), ReasonDuplicate, "%q is listed already: remove it", value)
		case spec.WorkloadSelector != nil && namespace != c.object.Namespace && namespace != ".":
			c.errorf(at.Index(i), ReasonExclusive, "a rule with a workloadSelector holds for its own namespace only: remove exportTo, or write exportTo: ['.']")
		}
		seen[namespace] = true
	}
}
