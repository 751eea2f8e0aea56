// Package http is the server side of the data plane on ports that speak HTTP: HTTP/1.1 and HTTP/2 in, the same out to the
// application, one decision for each request. It knows nothing of pods, and parses a request exactly once: what is decided
// about is what the application receives.
package http
