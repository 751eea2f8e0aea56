// Package kubelet runs pods of a real API server for tests, without a container runtime: as kubelet on Linux would run them,
// with what is in the stored pod and nothing else, in network namespaces of package podnet. It needs root.
//
//	c := cluster.Require(t)
//	node := kubelet.New(t, kubelet.Options{Network: podnet.New(t), Client: c.Client, Proxy: proxyBinary})
//
//	if err := c.Client.Create(ctx, pod); err != nil { … } // the webhook injects; pod is now what was stored
//	orders := node.Run(t, pod)                            // volumes, redirect, proxy, status
//	orders.Start(t, "app", podnet.Command{Path: "nginx", Args: []string{"-g", "daemon off;"}})
//	out, err := shop.Exec(ctx, "app", podnet.Command{Path: "curl", Args: []string{"-s", "http://" + orders.Net.IPv4.String()}})
//	err = orders.Stop(ctx)                                // terminating, SIGTERM, gone
//
// A pod without Warifu's containers runs just as well: the unproxied client, or server.
//
// What a container gets: its environment with fields of the pod, its volumes (Secrets, ConfigMaps, projected tokens, pod
// fields, emptyDir; files are replaced by the swap of a link, when the test calls Pod.Refresh), its user, its capabilities,
// a read-only root where it asks for one. The redirect runs as root with NET_ADMIN and nothing more, the proxy as its uid.
// Programs, libraries and all other files are the machine's. The cluster sees the pod on a node, Pending with an address, then
// Running and ready, then terminating and gone, so that EndpointSlices, token reviews and deletions are real.
//
// What it leaves to the test: the application's program, its probes and hooks, restarts (Pod.StartProxy), and when volumes
// are refreshed. The pod's own init containers do not run. A container's mounts outside of /run need a place that exists.
//
// Files, Environment and Write do their part on any system and without root.
package kubelet
