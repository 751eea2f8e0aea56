#!/bin/bash
# Regenerates everything in a copy of the tree and compares: the tree itself is not touched.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar --exclude=./.git --exclude=./bin -cf - . | tar -xf - -C "$copy"

make -C "$copy" --no-print-directory generate
if ! diff -ru --exclude=.git --exclude=bin . "$copy"; then
	echo "Generated files are out of date: run make generate and commit the result." >&2
	exit 1
fi
