package policy

import (
	"slices"
	"strings"
)

// trustDomainsOf lists the domains whose peers are accepted: the mesh's own first, then its aliases, sorted.
func trustDomainsOf(s Settings) []string {
	aliases := slices.Clone(s.Aliases)
	slices.Sort(aliases)
	out := []string{s.TrustDomain}
	for _, a := range slices.Compact(aliases) {
		if a != s.TrustDomain {
			out = append(out, a)
		}
	}
	return out
}

// spiffeID of a ServiceAccount.
func spiffeID(trustDomain, namespace, serviceAccount string) string {
	return "spiffe://" + trustDomain + "/ns/" + namespace + "/sa/" + serviceAccount
}

// localDomain in a principal always means the mesh's own trust domain, whatever its name, so that policies can be moved
// between clusters.
const localDomain = "cluster.local"

// expandPrincipals writes each principal of the mesh's own trust domain once for every domain in domains, so that a policy
// keeps its meaning while a trust domain is renamed: also in a `not` list. Principals that are not of the full form
// <trust domain>/ns/<namespace>/sa/<service account> are left alone, as the model does.
func expandPrincipals(principals, domains []string) []string {
	if len(principals) == 0 {
		return nil
	}
	out := make([]string, 0, len(principals)*len(domains))
	add := func(p string) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, p := range principals {
		domain, path, _ := strings.Cut(p, "/")
		if strings.Count(p, "/") != 4 || !isOwnDomain(domain, domains) {
			add(p)
			continue
		}
		for _, d := range domains {
			if suffix, ok := strings.CutPrefix(domain, "*"); ok && strings.HasSuffix(d, suffix) {
				add(p) // *local/ns/a/sa/b covers this domain as it stands
			} else {
				add(d + "/" + path)
			}
		}
	}
	return out
}

// isOwnDomain says whether a principal's trust domain (perhaps *suffix) is the mesh's own or an alias.
func isOwnDomain(domain string, domains []string) bool {
	if domain == "*" {
		return false // covers every domain already
	}
	suffix, wildcard := strings.CutPrefix(domain, "*")
	if domain == localDomain {
		return true
	}
	return slices.ContainsFunc(domains, func(d string) bool {
		return d == domain || (wildcard && strings.HasSuffix(d, suffix))
	})
}

// qualifyServiceAccounts writes each name in full: `sa` is <namespace of the policy>/sa.
func qualifyServiceAccounts(accounts []string, namespace string) []string {
	if len(accounts) == 0 {
		return nil
	}
	out := make([]string, len(accounts))
	for i, a := range accounts {
		if !strings.Contains(a, "/") {
			a = namespace + "/" + a
		}
		out[i] = a
	}
	return out
}
