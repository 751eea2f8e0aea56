#!/bin/bash
# Runs every fuzz target for the given time. go test fuzzes one target of one package at a time. It would make every input that
# is new to it as small as it can, and with inputs as large as a pod do little else.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
grep -rlE --include='*_test.go' '^func Fuzz' . | while read -r file; do
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | while read -r _ target; do
		go test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x </dev/null
	done
done
