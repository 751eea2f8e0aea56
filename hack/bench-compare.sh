#!/bin/bash
# Compares the benchmarks of this tree with those of another commit, checked out beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${1:-}
if [ -z "$base" ]; then
	echo "Which commit? make bench-compare BASE=main" >&2
	exit 2
fi
temp=$(mktemp -d)
trap 'git worktree remove --force "$temp/base"; rm -rf "$temp"' EXIT
git worktree add --quiet --detach "$temp/base" "$base"

bench() { # of the tree $1
	(cd "$1" && grep -rlE --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u |
		xargs go test -run '^$' -bench . -benchmem -count "${COUNT:-6}")
}
bench "$temp/base" >"$temp/base.txt"
bench . >"$temp/here.txt"
${BENCHSTAT:?} "$base=$temp/base.txt" "here=$temp/here.txt"
