// Package oci writes container images of one layer without a container runtime, as archives that docker load, podman load,
// ctr images import, kind load image-archive and k3s ctr images import read. The same input makes the same bytes.
package oci
