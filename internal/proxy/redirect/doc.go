// Package redirect leads a pod's TCP connections to its proxy, and tells the proxy where they were going.
//
// Apply sets up the packet filter of the network namespace it runs in: one nftables table for IPv4 and IPv6, replaced whole
// in one transaction, so that there is no moment with half of the rules and running it again changes nothing. What the rules
// are is decided by a pure function; read Options.rules to know what Warifu does to packets:
//
//   - What the pod's processes send goes to naming.PortOutbound, except what stays inside the pod, what the proxy itself sends
//     (told by its uid), and what is excluded.
//   - What arrives at the pod goes to naming.PortInbound, except what is excluded and naming.PortAdmin, which kubelet probes.
//     That holds for the proxy's own ports too: who dials PortOutbound from outside arrives at PortInbound like everybody else,
//     with PortOutbound as the original destination, so that a proxy is no relay for strangers.
//   - What arrives but is not for one of the pod's addresses is left to the kernel, which drops it or forwards it as it would
//     without us. Redirected, it would have a destination of the sender's choice: 127.0.0.1, or a host beyond the pod.
//   - The proxy's own connections to naming.PortRedirectTest of the pod's address go to naming.PortAdmin. Nothing listens on
//     that port, so an answer proves that the transaction was carried out in this very namespace: Verify asks for it.
//
// Applying needs root with NET_ADMIN and Linux 5.2 (NAT in the inet family) with nf_tables. The rest needs no privileges.
package redirect
