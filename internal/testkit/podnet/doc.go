// Package podnet gives tests pods: network namespaces with an address each in IPv4 and IPv6, as a node of a Kubernetes cluster
// has them, with processes inside that see only their own files. It needs Linux and root; elsewhere tests are skipped.
//
//	node := podnet.New(t)
//	server, client := node.Pod(t, "server"), node.Pod(t, "client")
//	process := server.Start(t, podnet.Command{
//		Path:   "/usr/sbin/nginx",
//		UID:    1000,
//		Mounts: []podnet.Mount{{Source: dir, Target: "/var/run/secrets/warifu.dev/tls", ReadOnly: true}},
//	})
//	conn, err := client.DialContext(ctx, "tcp", netip.AddrPortFrom(server.IPv4, 443).String())
//
// What there is:
//
//	host  ──veth──  node (a namespace of its own)  ──veth──  pod
//	                        │
//	                        └───────────────────────veth──  pod
//
// The node routes. A test's servers in the host's namespace are reached by pods at Node.HostIPv4 and HostIPv6, and reach pods at
// their addresses; that is all a test adds to the host: one link. Packets that a pod sends elsewhere end at the node, which
// answers that there is no route, unless the address belongs to a Service or is an additional one of a pod (which so plays a
// host outside the cluster).
//
// Everything disappears when the test ends, and when its process dies in any way: namespaces live as long as somebody is in
// them, and processes are killed with the one that started them. Many nodes can live side by side.
package podnet
