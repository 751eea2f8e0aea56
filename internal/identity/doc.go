// Package identity is the one place that knows how a workload is named: a ServiceAccount of a trust domain, written as the
// SPIFFE ID spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
//
// In go strings and certificates, out come comparable values that are valid by construction. Parsing is exact: an ID that
// would need any normalisation (percent-encoding, dot segments, upper case, a trailing slash, a query) is refused, because
// two parsers that normalise differently are how identities have been impersonated.
package identity
