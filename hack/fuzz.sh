#!/bin/bash
# Runs every fuzz target for the given time. go test fuzzes one target of one package at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
grep -rlE --include='*_test.go' '^func Fuzz' . | while read -r file; do
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | while read -r _ target; do
		go test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time" </dev/null
	done
done
