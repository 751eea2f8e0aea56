package policy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
)

func (c *checker) peerAuthentication(spec *v1alpha1.PeerAuthenticationSpec) {
	at := field.NewPath("spec")
	c.selector(at.Child("selector"), spec.Selector, c.everyWorkload())
	if choosesPods(spec.Selector) && c.inRootNamespace() {
		c.errorf(at.Child("selector"), ReasonSelectorInRootNamespace,
			"a PeerAuthentication in the root namespace %s holds for the whole mesh and cannot have a selector: put it into the namespace of the pods, or remove the selector", c.object.Namespace)
	}

	mode := v1alpha1.MutualTLSUnset
	if spec.MTLS != nil {
		mode = cmp.Or(spec.MTLS.Mode, mode)
		c.mutualTLSMode(at.Child("mtls", "mode"), mode)
	}
	c.portLevelMTLS(at.Child("portLevelMtls"), spec)

	if mode == v1alpha1.MutualTLSUnset && spec.PortLevelMTLS == nil {
		c.warnf(at, ReasonNoEffect, "the policy sets no mode: it changes nothing, and hides younger policies of the same scope; set mtls.mode, or remove the policy")
	}
}

func (c *checker) portLevelMTLS(at *field.Path, spec *v1alpha1.PeerAuthenticationSpec) {
	if spec.PortLevelMTLS == nil {
		return
	}
	if len(spec.PortLevelMTLS) == 0 {
		c.errorf(at, ReasonRequired, "portLevelMtls lists no port: list one, or remove it")
		return
	}
	c.atMost(at, len(spec.PortLevelMTLS), 128)
	if !choosesPods(spec.Selector) {
		c.errorf(at, ReasonSelectorRequired, "portLevelMtls needs a selector with matchLabels: a port belongs to a workload; say which workloads are meant, or remove portLevelMtls")
	}
	for _, port := range slices.SortedFunc(maps.Keys(spec.PortLevelMTLS), compareNumbers) {
		mode := cmp.Or(spec.PortLevelMTLS[port].Mode, v1alpha1.MutualTLSUnset)
		if _, ok := portOf(port); !ok {
			c.errorf(at.Key(port), ReasonInvalid, "a key of portLevelMtls is a workload port: a number from 1 to 65535")
		}
		c.mutualTLSMode(at.Key(port).Child("mode"), mode)
		if mode == v1alpha1.MutualTLSUnset {
			c.warnf(at.Key(port), ReasonNoEffect, "a port without a mode takes the policy's own, as if it were not listed: set its mode, or remove it")
		}
	}
}

// portOf reads a key of portLevelMtls. There is one spelling of a port, or two keys could mean the same.
func portOf(key string) (uint16, bool) {
	number, err := strconv.ParseUint(key, 10, 16)
	return uint16(number), err == nil && number > 0 && strconv.FormatUint(number, 10) == key
}

// compareNumbers orders decimal numbers without leading zeros by value: a shorter one is smaller.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func (c *checker) mutualTLSMode(at *field.Path, mode v1alpha1.MutualTLSMode) {
	if !knownMode(mode) {
		c.errorf(at, ReasonInvalid, "unknown mode %q: write STRICT, PERMISSIVE, DISABLE or UNSET", mode)
	}
}

// knownMode says whether a mode is one of those that there are; absent is UNSET.
func knownMode(mode v1alpha1.MutualTLSMode) bool {
	switch mode {
	case "", v1alpha1.MutualTLSUnset, v1alpha1.MutualTLSDisable, v1alpha1.MutualTLSPermissive, v1alpha1.MutualTLSStrict:
		return true
	}
	return false
}
