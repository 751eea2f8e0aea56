#!/bin/bash
# The data plane and the packages that it is made of must not depend on Kubernetes, not even through others.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
for package in cmd/proxy internal/authz internal/controlapi/client internal/identity internal/mtls internal/pki internal/proxyconfig; do
	[ -d "$package" ] || continue
	deps=$(go list -deps "./$package") # fails the script when it fails
	if found=$(grep -E '^(k8s\.io|sigs\.k8s\.io)/' <<<"$deps"); then
		echo "$package depends on Kubernetes:" $found >&2
		status=1
	fi
done
exit $status
