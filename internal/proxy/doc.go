// Package proxy is the data plane's composition root: the two commands of the program that the injector puts into a pod.
//
// redirect sets up the pod's packet filter and ends. run starts only when the redirect, an identity and a configuration are
// there; from then on the parts do the work: l4 and http carry the traffic, the control client brings configurations and
// answers about addresses, certs watches the identity, admin answers kubelet. What this package adds is the order: of
// starting, of putting a change in force and reporting it, and of ending.
package proxy
