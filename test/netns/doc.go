// Package netns is the whole of Warifu on real traffic: a real API server, the operator with its control API, pods as network
// namespaces that were injected by the webhook, the real redirect and proxies, and real applications and clients in them.
package netns
