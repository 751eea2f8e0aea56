package authz

import (
	"testing"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestKnownBypasses asks what engines like this one have answered wrongly. Every case is refused.
func TestKnownBypasses(t *testing.T) {
	admin := to(operation{Paths: []string{"/admin", "/admin/*"}})
	isAdmin := condition{Key: "request.headers[x-role]", Values: []string{"admin"}}
	isNotAdmin := condition{Key: "request.headers[x-role]", NotValues: []string{"admin"}}
	tests := []struct {
		name    string
		policy  proxyconfig.Policy
		request Request
	}{
		// ISTIO-SECURITY-2021-004: a peer without identity against a not field of DENY.
		{"notPrincipals and plaintext", deny(from(source{NotPrincipals: []string{"cluster.local/ns/web/sa/frontend"}})), tcp(plaintext)},
		{"notNamespaces and plaintext", deny(from(source{NotNamespaces: []string{"web"}})), tcp(plaintext)},
		{"deny plaintext, the canonical rule", deny(from(source{NotPrincipals: []string{"*"}})), tcp(plaintext)},
		// CVE-2026-39350: a dot is a dot.
		{"dot in a service account", allow(from(source{ServiceAccounts: []string{"web/cert-manager.io"}})), tcp(as("spiffe://cluster.local/ns/web/sa/cert-managerXio"))},
		{"dot in a trust domain", allow(from(source{TrustDomains: []string{"cluster.local"}})), tcp(as("spiffe://clusterXlocal/ns/web/sa/frontend"))},
		// CVE-2020-16844: suffix patterns of DENY on TCP.
		{"suffix principal on TCP", deny(from(source{Principals: []string{"*/sa/frontend"}})), tcp()},
		{"suffix namespace on TCP", deny(from(source{Namespaces: []string{"*eb"}})), tcp()},
		{"suffix condition on TCP", deny(when(condition{Key: "source.principal", Values: []string{"*/sa/frontend"}})), tcp()},
		// Addresses in the forms that a dual-stack or link-local socket gives.
		{"IPv4 as IPv6", deny(from(source{IPBlocks: []string{"10.0.0.0/8"}})), tcp(peerIP("::ffff:10.0.0.7"))},
		{"link-local with zone", deny(from(source{IPBlocks: []string{"fe80::/10"}})), tcp(peerIP("fe80::1%eth0"))},

		// Paths, as the proxy asks: normalised first.
		{"dot segments", deny(admin), normalized(t, "/a/../admin")},
		{"double slash", deny(admin), normalized(t, "//admin")},
		{"escaped slash", deny(admin), normalized(t, "/%2Fadmin")},
		{"backslash", deny(admin), normalized(t, `/x\..\admin`)},
		{"escaped backslash", deny(admin), normalized(t, "/x%5C..%5Cadmin/y")},
		{"query", deny(admin), normalized(t, "/admin?x")},
		{"fragment", deny(admin), normalized(t, "/admin#x")},
		{"escaped letter", deny(admin), normalized(t, "/%61dmin")},
		{"escape in another case", deny(to(operation{Paths: []string{"/caf%C3%A9"}})), normalized(t, "/caf%c3%a9")},
		{"authority in the path", deny(admin), normalized(t, "//admin/x")},

		// Case: CVE-2021-39155 and GHSA-w44g-8m76-8gc5.
		{"host in another case", deny(to(operation{Hosts: []string{"secret.com"}})), get("/", host("Secret.COM"))},
		{"host pattern in another case", deny(to(operation{Hosts: []string{"*.Secret.com"}})), get("/", host("a.sEcret.com"))},
		{"SNI in another case", deny(when(condition{Key: "connection.sni", Values: []string{"secret.com"}})), tcp(sni("SECRET.com"))},
		{"method in another case", deny(to(operation{Methods: []string{"DELETE"}})), get("/", method("delete"))},
		{"method in another case, ALLOW with notMethods", allow(to(operation{NotMethods: []string{"DELETE"}})), get("/", method("Delete"))},
		{"method in another case, ALLOW", allow(to(operation{Methods: []string{"GET"}})), get("/", method("get"))},
		{"method in another case, DENY with notMethods", deny(to(operation{NotMethods: []string{"GET"}})), get("/", method("get"))},
		// ISTIO-SECURITY-2021-008: the port in Host.
		{"host with a port", deny(to(operation{Hosts: []string{"secret.com"}})), get("/", host("secret.com:8080"))},
		{"host with a dot", deny(to(operation{Hosts: []string{"secret.com"}})), get("/", host("secret.com.:8080"))},
		{"IPv6 host with a port", deny(to(operation{Hosts: []string{"[::1]"}})), get("/", host("[::1]:8080"))},
		{"IPv6 host with a dot", deny(to(operation{Hosts: []string{"[::1]"}})), get("/", host("[::1]."))},
		{"host with a port, ALLOW with notHosts", allow(to(operation{NotHosts: []string{"secret.com"}})), get("/", host("secret.com:8080"))},
		{"host with a port, ALLOW", allow(to(operation{Hosts: []string{"shop.com"}})), get("/", host("shop.com:8080"))},

		// Headers: CVE-2026-26308, CVE-2021-32777.
		{"second line, DENY", deny(when(isAdmin)), get("/", header("X-Role", "user", "admin"))},
		{"first line, DENY", deny(when(isAdmin)), get("/", header("X-Role", "admin", "user"))},
		{"list, DENY", deny(when(isAdmin)), get("/", header("X-Role", "user , admin"))},
		{"second line, ALLOW", allow(when(isAdmin)), get("/", header("X-Role", "admin", "user"))},
		{"list, ALLOW", allow(when(isAdmin)), get("/", header("X-Role", "admin,user"))},
		{"second line, ALLOW with notValues", allow(when(isNotAdmin)), get("/", header("X-Role", "user", "admin"))},
		{"list, ALLOW with notValues", allow(when(isNotAdmin)), get("/", header("X-Role", "user,admin"))},
		{"second line, DENY with notValues", deny(when(isNotAdmin)), get("/", header("X-Role", "admin", "user"))},
		{"empty header is there, DENY", deny(when(condition{Key: "request.headers[x-debug]", Values: []string{"*"}})), get("/", header("X-Debug", ""))},
		{"empty header is there, ALLOW with notValues", allow(when(condition{Key: "request.headers[x-debug]", NotValues: []string{"*"}})), get("/", header("X-Debug", ""))},
		{"empty header is no value, ALLOW", allow(when(condition{Key: "request.headers[x-token]", Values: []string{"*"}})), get("/", header("X-Token", ""))},
		// CVE-2026-73552: bytes that are not UTF-8 fail no comparison open.
		{"obs-text, DENY", deny(when(condition{Key: "request.headers[x-role]", Values: []string{"adm*"}})), get("/", header("X-Role", "adm\xff"))},
		{"obs-text, DENY with notValues", deny(when(condition{Key: "request.headers[x-role]", NotValues: []string{"user"}})), get("/", header("X-Role", "user\xff"))},
		{"absent header, DENY with notValues", deny(when(isNotAdmin)), get("/")},
		{"absent header, ALLOW", allow(when(isAdmin)), get("/")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := compile(t, permissive(tt.policy)).Decide(tt.request); d.Allowed {
				t.Errorf("allowed: %+v", d)
			}
		})
	}
}

// TestGuardsRefuseNothingElse: the guards above leave alone what they are not about.
func TestGuardsRefuseNothingElse(t *testing.T) {
	role := func(values ...string) condition { return condition{Key: "request.headers[x-role]", Values: values} }
	tests := []struct {
		name    string
		policy  proxyconfig.Policy
		request Request
	}{
		{"ALLOW with notPrincipals admits plaintext", allow(from(source{NotPrincipals: []string{"a"}})), tcp(plaintext)},
		{"two lines that both match", allow(when(role("admin", "user"))), get("/", header("X-Role", "admin", "user"))},
		{"a value with a comma", allow(when(role("a, b"))), get("/", header("X-Role", "a, b"))},
		{"DENY of another host", deny(to(operation{Hosts: []string{"secret.com"}})), get("/", host("notsecret.com:8080"))},
		{"DENY of one port of a host", deny(to(operation{Hosts: []string{"shop.com:8080"}})), get("/", host("shop.com:9090"))},
		{"DENY of another method", deny(to(operation{Methods: []string{"DELETE"}})), get("/")},
		{"DENY of another role", deny(when(role("admin"))), get("/", header("X-Role", "administrator"))},
		{"DENY of another header", deny(when(role("admin"))), get("/", header("X-Roles", "admin"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := compile(t, permissive(tt.policy)).Decide(tt.request); !d.Allowed {
				t.Errorf("refused: %+v", d)
			}
		})
	}
}

// normalized is a GET of what NormalizePath makes of a path.
func normalized(t *testing.T, raw string) Request {
	t.Helper()
	path, err := NormalizePath(raw)
	if err != nil {
		t.Fatal(err)
	}
	return get(path)
}
