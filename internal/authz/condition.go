package authz

import (
	"fmt"
	"net/http"
	"strings"
)

// ConditionKey is a parsed key of a when condition.
type ConditionKey struct {
	attr   attribute
	header string // canonical, for request.headers
}

// conditionKeys are the keys without brackets.
var conditionKeys = map[string]attribute{
	"source.ip":             sourceIP,
	"source.namespace":      sourceNamespace,
	"source.serviceAccount": sourceServiceAccount,
	"source.principal":      sourcePrincipal,
	"source.trustDomain":    sourceTrustDomain,
	"destination.ip":        destinationIP,
	"destination.port":      destinationPort,
	"connection.sni":        connectionSNI,
}

// refusedKeys are keys of the model that are not supported, by prefix, with the way out.
var refusedKeys = []struct{ prefix, why string }{
	{"remote.ip", "forwarded addresses cannot be trusted here: use source.ip"},
	{"request.auth.", "Warifu verifies no JSON Web Tokens"},
	{"destination.", "a policy is about the workload that its selector chooses: use selector, destination.ip or destination.port"},
	{"experimental.", "there are no Envoy filters here"},
}

const headersKey = "request.headers"

// ParseConditionKey parses the key of a condition. A key that is not supported is an error and never ignored: a rule
// without one of its conditions matches more than its author wrote.
func ParseConditionKey(key string) (ConditionKey, error) {
	if attr, ok := conditionKeys[key]; ok {
		return ConditionKey{attr: attr}, nil
	}
	if rest, ok := strings.CutPrefix(key, headersKey); ok {
		return parseHeaderKey(key, rest)
	}
	for _, refused := range refusedKeys {
		if strings.HasPrefix(key, refused.prefix) {
			return ConditionKey{}, fmt.Errorf("condition key %q is not supported: %s", key, refused.why)
		}
	}
	return ConditionKey{}, fmt.Errorf("condition key %q is unknown", key)
}

func parseHeaderKey(key, brackets string) (ConditionKey, error) {
	name, open := strings.CutPrefix(brackets, "[")
	name, closed := strings.CutSuffix(name, "]")
	if !open || !closed || !isToken(name) {
		return ConditionKey{}, fmt.Errorf("condition key %q is not of the form request.headers[name]", key)
	}
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Host":
		return ConditionKey{}, fmt.Errorf("condition key %q: use the hosts of an operation", key)
	case "Transfer-Encoding", "Trailer":
		return ConditionKey{}, fmt.Errorf("condition key %q: this header belongs to the connection and is not passed on", key)
	}
	return ConditionKey{attr: requestHeader, header: name}, nil
}

// isToken is the syntax of a header name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// HTTPOnly is true when only a request that was read as HTTP has the attribute.
func (k ConditionKey) HTTPOnly() bool { return k.attr.httpOnly() }

// Validate checks one of the condition's values or notValues. As in serviceAccounts, the short form of a service account is
// for the compiler to resolve.
func (k ConditionKey) Validate(value string) error {
	if k.attr == sourceServiceAccount {
		return ValidateServiceAccount(value)
	}
	return (&check{attr: k.attr}).add(value)
}
