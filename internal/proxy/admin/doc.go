// Package admin is what a proxy answers on its admin port, in plaintext: its own health, the application's probes and hooks in
// kubelet's stead, the proof of the redirect, and metrics.
//
// The port is open to whoever reaches the pod, as kubelet is not told apart from others by its address. So everybody gets
// health, and can have the probes and hooks of the pod's own spec carried out, of which no more comes back than whether they
// succeeded and the status: nothing that the application says, and nothing that the caller says goes to it but User-Agent.
// Metrics, which name peers, are for the addresses that the configuration lists. There is nothing else: no command, no
// profile, no configuration.
package admin
