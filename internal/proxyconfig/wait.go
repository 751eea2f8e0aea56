package proxyconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LongestWait is the most that a port may wait for a client's first bytes: a connection that waits takes up memory.
const LongestWait = time.Minute

// ParseWaits reads the waits that a pod's annotation asks for, such as `3306=0s,9000=250ms`: ports with whole milliseconds
// up to LongestWait. They are returned ascending. The error is about the first that is not well-formed, or of a port named
// before; the others are returned all the same.
func ParseWaits(list string) ([]PortWait, error) {
	var out []PortWait
	var problem error
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		wait, err := parseWait(item)
		if err == nil && slices.ContainsFunc(out, func(w PortWait) bool { return w.Port == wait.Port }) {
			err = fmt.Errorf("port %d is there twice; name it once", wait.Port)
		}
		if err != nil {
			problem = cmp.Or(problem, err)
			continue
		}
		out = append(out, wait)
	}
	slices.SortFunc(out, func(a, b PortWait) int { return cmp.Compare(a.Port, b.Port) })
	return out, problem
}

func parseWait(item string) (PortWait, error) {
	left, right, found := strings.Cut(item, "=")
	if !found {
		return PortWait{}, fmt.Errorf("%q has no wait; write PORT=WAIT, such as 3306=0s", item)
	}
	port, err := strconv.ParseUint(strings.TrimSpace(left), 10, 16)
	if err != nil || port == 0 {
		return PortWait{}, fmt.Errorf("%q is not a port; write a number from 1 to 65535", left)
	}
	wait, err := time.ParseDuration(strings.TrimSpace(right))
	if err != nil || wait < 0 || wait > LongestWait || wait%time.Millisecond != 0 {
		return PortWait{}, fmt.Errorf("%q is not a wait; write one of 0s to %s in whole milliseconds, such as 250ms", right, LongestWait)
	}
	return PortWait{Port: uint16(port), Milliseconds: int32(wait.Milliseconds())}, nil
}
