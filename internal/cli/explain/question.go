package explain

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/identity"
)

// Question is what is asked.
type Question struct {
	To   Target
	From Origin
	// Plaintext: the client sends plaintext, whatever policy tells it.
	Plaintext bool
	// HTTP is the request, its path as the client sends it; nil asks about a TCP connection.
	HTTP *authz.HTTP
}

// Target is a pod or a Service.
type Target struct {
	types.NamespacedName
	// Port is a pod's port, or a Service's; 0 takes the only one there is.
	Port uint16
}

// Origin is the end that dials: a pod, any peer that proves an identity, or, zero, a client that has no identity.
type Origin struct {
	Pod      types.NamespacedName
	Identity identity.ID
	// Stranger is a SPIFFE ID, instead of Identity, that is no ServiceAccount's.
	Stranger string
}

// ParseTarget reads NAMESPACE/NAME[:PORT].
func ParseTarget(s string) (Target, error) {
	rest, port, hasPort := strings.Cut(s, ":")
	name, err := ParseName(rest)
	if err != nil {
		return Target{}, err
	}
	target := Target{NamespacedName: name}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Target{}, fmt.Errorf("%q is not a port from 1 to 65535", port)
		}
		target.Port = uint16(n)
	}
	return target, nil
}

// ParseName reads NAMESPACE/NAME.
func ParseName(s string) (types.NamespacedName, error) {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return types.NamespacedName{}, fmt.Errorf("%q is not NAMESPACE/NAME", s)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}
