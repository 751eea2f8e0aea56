package netns

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The factors of reachability.
var (
	levels    = []string{"mesh", "namespace", "workload", "port"}
	modes     = []string{"STRICT", "PERMISSIVE", "DISABLE", none}
	rules     = []string{none, "ISTIO_MUTUAL", "DISABLE", "MUTUAL", "SIMPLE"}
	protocols = []string{"http/1.1", "http/2", "grpc", "websocket", "tls", "tcp", "server-first"}
)

// none is the value of a factor for which there is no object.
const none = "none"

// Outcomes of a cell, as the table of expectations has them.
const (
	outcomeMTLS    = "mtls"
	outcomeTLS     = "tls"
	outcomePlain   = "plain"
	outcomeRefused = "refused"
)

// cell is one way for two workloads to meet.
type cell struct {
	// level is the scope of the narrowest PeerAuthentication that selects the server, and mode what it says.
	level, mode string
	// mesh is what the policy of the whole mesh says meanwhile.
	mesh string
	// rule is the mode of the client's DestinationRule.
	rule                         string
	clientProxied, serverProxied bool
	protocol                     string
}

func (c cell) String() string {
	side := map[bool]string{true: "proxied", false: "bare"}
	return fmt.Sprintf("%s %s (mesh %s), rule %s, %s to %s, %s",
		c.level, c.mode, c.mesh, c.rule, side[c.clientProxied], side[c.serverProxied], c.protocol)
}

// cells are all combinations but for level and mesh, which take turns: any two values of two factors meet, and most threes.
func cells() []cell {
	var out []cell
	for m, mode := range modes {
		for r, rule := range rules {
			for p, protocol := range protocols {
				for side := range 4 {
					c := cell{
						level: levels[(m+r+p+side)%len(levels)], mode: mode, mesh: mode, rule: rule, protocol: protocol,
						clientProxied: side&1 == 0, serverProxied: side&2 == 0,
					}
					if c.level != "mesh" {
						c.mesh = modes[(m+2*r+3*p+side)%len(modes)]
					}
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// around is what the next wider scope says, where it is not the mesh: always something else.
func around(mode string) string { return modes[(slices.Index(modes, mode)+1)%len(modes)] }

// effective is the mode of the server's port in the end: what the narrowest scope says that says anything.
func (c cell) effective() string {
	said := []string{c.mesh, "PERMISSIVE"}
	switch c.level {
	case "namespace":
		said = append([]string{c.mode}, said...)
	case "workload":
		said = append([]string{c.mode, around(c.mode)}, said...)
	case "port":
		said = append([]string{c.mode, around(c.mode), around(around(c.mode))}, said...)
	}
	for _, mode := range said {
		if mode != none {
			return mode
		}
	}
	return ""
}

// row is where the table has the cell.
func (c cell) row() string {
	server, client := c.effective(), c.rule
	if !c.serverProxied {
		server = "no-proxy"
	}
	if !c.clientProxied {
		client = "unproxied"
	}
	return server + " " + client + " " + c.protocol
}

// expectations reads the table.
func expectations(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open("testdata/reachability.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2+len(protocols) {
			t.Fatalf("line %q has %d columns", lines.Text(), len(fields))
		}
		for i, protocol := range protocols {
			key := fields[0] + " " + fields[1] + " " + protocol
			if out[key] != "" {
				t.Fatalf("%s is there twice", key)
			}
			out[key] = fields[2+i]
		}
	}
	return out
}

// TestCells: any two values meet, every expectation is tried, and every cell has one.
func TestCells(t *testing.T) {
	all := cells()
	if len(all) > 600 {
		t.Errorf("%d cells take too long", len(all))
	}
	expected := expectations(t)
	if len(expected) < 150 {
		t.Errorf("only %d expectations", len(expected))
	}
	met, tried := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		factors := []string{"level " + c.level, "mode " + c.mode, "rule " + c.rule, fmt.Sprint("client ", c.clientProxied), fmt.Sprint("server ", c.serverProxied), c.protocol}
		for i, a := range factors {
			for _, b := range factors[i+1:] {
				met[a+", "+b] = true
			}
		}
		if expected[c.row()] == "" {
			t.Errorf("nothing is expected of %s", c)
		}
		tried[c.row()] = true
	}
	sizes := []int{len(levels), len(modes), len(rules), 2, 2, len(protocols)}
	pairs := 0
	for i, a := range sizes {
		for _, b := range sizes[i+1:] {
			pairs += a * b
		}
	}
	if len(met) != pairs {
		t.Errorf("%d of %d pairs meet", len(met), pairs)
	}
	for row := range expected {
		if !tried[row] {
			t.Errorf("nobody tries %s", row)
		}
	}
}
