package policy

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/authz"
)

func (c ruleChecker) operation(at *field.Path, o *v1alpha1.Operation) {
	if o == nil {
		c.errorf(at, ReasonRequired, "the entry has no operation: describe what is asked for, or remove the entry")
		return
	}
	// A method is compared as sent where that can only permit, and in any case of its letters where it can only refuse.
	var literal, negated func(string) (Reason, string)
	if c.action == v1alpha1.ActionAllow {
		literal = suspectMethod
	} else {
		negated = suspectMethod
	}
	c.fields(at, []valueField{
		{"hosts", o.Hosts, authz.ValidatePattern, suspectHost},
		{"notHosts", o.NotHosts, authz.ValidatePattern, suspectHost},
		{"ports", o.Ports, validatePort, suspectPort},
		{"notPorts", o.NotPorts, validatePort, suspectPort},
		{"methods", o.Methods, authz.ValidatePattern, literal},
		{"notMethods", o.NotMethods, authz.ValidatePattern, negated},
		{"paths", o.Paths, authz.ValidatePath, suspectPath},
		{"notPaths", o.NotPaths, authz.ValidatePath, suspectPath},
	}, "the operation says nothing about what is asked for: set one of its fields, or remove the entry")
}

// firstHTTPField names a field of the operation that exists in HTTP only; empty when there is none.
func firstHTTPField(o *v1alpha1.Operation) string {
	for _, f := range []valueField{
		{name: "hosts", values: o.Hosts},
		{name: "notHosts", values: o.NotHosts},
		{name: "methods", values: o.Methods},
		{name: "notMethods", values: o.NotMethods},
		{name: "paths", values: o.Paths},
		{name: "notPaths", values: o.NotPaths},
	} {
		if len(f.values) > 0 {
			return f.name
		}
	}
	return ""
}

func validatePort(value string) error {
	_, err := authz.ParsePort(value)
	return err
}

func suspectPort(value string) (Reason, string) {
	if port, err := authz.ParsePort(value); err == nil && port == 0 {
		return ReasonNeverMatches, "no connection goes to port 0"
	}
	return "", ""
}

func suspectHost(value string) (Reason, string) {
	if strings.Contains(value, "/") {
		return ReasonNeverMatches, "a host is what the Host header carries, a name and perhaps a port: remove the scheme and the path"
	}
	return "", ""
}

func suspectMethod(value string) (Reason, string) {
	if upper := strings.ToUpper(value); upper != value {
		return ReasonNeverMatches, "methods are case-sensitive: write " + upper
	}
	return "", ""
}

// suspectPath warns of a path that no normalised path equals. In a DENY rule such a path leaves open what it means to close.
func suspectPath(value string) (Reason, string) {
	switch {
	case !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "*"):
		return ReasonNeverMatches, "a path begins with '/': write /" + value
	case strings.ContainsAny(value, "?#"):
		return ReasonNeverMatches, "the query and the fragment are not part of the path: cut it before the '?' or '#'"
	case isUnnormalised(value):
		return ReasonNeverMatches, "paths are compared after normalisation, which resolves '.' and '..' and merges slashes, so none looks like this: write the resulting path"
	}
	return "", ""
}

func isUnnormalised(path string) bool {
	segments := strings.Split(strings.ReplaceAll(path, "\\", "/"), "/")
	for i, segment := range segments {
		inside := i > 0 && i < len(segments)-1
		if segment == "." || segment == ".." || inside && segment == "" {
			return true
		}
	}
	return false
}
