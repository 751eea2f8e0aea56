#!/bin/bash
# Installs Debian packages, where that is possible without asking.
set -euo pipefail

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Please install: $* (make can do that itself as root on Debian; make test RACE= does without)" >&2
	exit 1
fi
echo "Installing $*" >&2
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
