package policy

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/authz"
)

// unsupportedKeys are keys of the model that Warifu refuses, by what they begin with, with the way out.
var unsupportedKeys = []struct{ prefix, why string }{
	{"request.auth.", "request.auth.* is not supported: Warifu verifies no JSON Web Tokens; use source.principal, or check tokens in the application"},
	{"remote.ip", "remote.ip is not supported: nothing vouches for a forwarded address; use source.ip for the direct peer"},
	{"experimental.", "experimental.* is not supported: there are no Envoy filters; remove the condition"},
}

func isIdentityKey(key string) bool {
	switch key {
	case "source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain":
		return true
	}
	return false
}

// isHeaderKey is true for the one key that exists in HTTP only.
func isHeaderKey(key string) bool {
	parsed, err := authz.ParseConditionKey(key)
	return err == nil && parsed.HTTPOnly()
}

func (c ruleChecker) condition(at *field.Path, w *v1alpha1.Condition) {
	key, ok := c.conditionKey(at.Child("key"), w.Key)
	if len(w.Values)+len(w.NotValues) == 0 {
		c.errorf(at, ReasonRequired, "a condition needs values or notValues: add one, or remove the condition")
		return
	}
	if !ok {
		return
	}
	suspect := c.suspectOf(w.Key)
	c.values(at.Child("values"), valueField{"values", w.Values, key.Validate, suspect})
	c.values(at.Child("notValues"), valueField{"notValues", w.NotValues, key.Validate, suspect})
}

func (c ruleChecker) conditionKey(at *field.Path, key string) (authz.ConditionKey, bool) {
	if key == "" {
		c.errorf(at, ReasonRequired, "a condition has a key, such as source.namespace")
		return authz.ConditionKey{}, false
	}
	for _, u := range unsupportedKeys {
		if strings.HasPrefix(key, u.prefix) {
			c.errorf(at, ReasonUnsupported, "%s", u.why)
			return authz.ConditionKey{}, false
		}
	}
	parsed, err := authz.ParseConditionKey(key)
	if err != nil {
		c.errorf(at, ReasonInvalid, "%v", err)
	}
	return parsed, err == nil
}

// suspectOf is what makes a value of the attribute suspect, as in the field of a source or an operation.
func (c ruleChecker) suspectOf(key string) func(string) (Reason, string) {
	switch key {
	case "source.principal":
		return c.suspectPrincipal
	case "source.namespace":
		return suspectNamespace
	case "source.serviceAccount":
		return suspectServiceAccount
	case "source.trustDomain":
		return c.suspectTrustDomain
	case "destination.port":
		return suspectPort
	}
	return nil
}
