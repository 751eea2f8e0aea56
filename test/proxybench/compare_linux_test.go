package proxybench

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// What is measured, for those who look at one thing again and again.
var (
	loads = flag.String("load", "", "`regexp` of the loads that are driven; memory is one of them")
	peers = flag.String("peers", "", "`regexp` of whom is measured beside HAProxy, which always is")
	// rounds are in turns, so that all have the same neighbours on the machine.
	rounds = flag.Int("rounds", 3, "rounds of each load with each pair, of which the best counts")
	// duration is long enough that the tick of a process's CPU clock, 10 ms, is nothing.
	duration = flag.Duration("duration", 5*time.Second, "of one round")
)

// scenario is a load, and what the design promises: CPU time of the Warifu pair, at most so many times HAProxy's.
type scenario struct {
	name   string
	port   uint16
	path   string
	fresh  bool
	target float64
}

var scenarios = []scenario{
	{name: "L4, requests of 0.5 KB", port: portTCP, path: "/", target: 1.2},
	{name: "L4, answers of 1 MB", port: portTCP, path: "/bulk", target: 1.2},
	{name: "L4, a connection for each request", port: portTCP, path: "/", fresh: true},
	{name: "L7 with XFCC and policy, 0.5 KB", port: portHTTP, path: "/", target: 1.5},
	{name: "L7 with XFCC and policy, 1 MB", port: portHTTP, path: "/bulk"},
}

// entrant is a contender in the world that it runs in.
type entrant struct {
	contender
	world *world
}

// silence is the name of the load that is none.
const silence = "idle connections: memory"

// BenchmarkBesidePeers prints the table. It is a benchmark for what it needs of the testing package: it runs once.
func BenchmarkBesidePeers(b *testing.B) {
	wanted := regexp.MustCompile(*loads)
	contenders := contenders(b)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "\nLOAD\tPAIR\tCPU/REQUEST\t× HAPROXY\tTARGET\tREQUESTS/S\tP50\tP99")
	for _, s := range scenarios {
		if wanted.MatchString(s.name) {
			s.compare(b, contenders, table)
		}
	}
	if wanted.MatchString(silence) {
		compareMemory(b, contenders, table)
	}
}

// contenders are Warifu, HAProxy, and who else is asked for.
func contenders(b *testing.B) []entrant {
	b.Helper()
	// The redirect stays in a pod: the peers, which do without, have pods of their own.
	ours, theirs := newWorld(b), newWorld(b)
	all := []entrant{{buildWarifu(b, ours), ours}, {haproxy{}, theirs}}
	if regexp.MustCompile(*peers).MatchString(nginx{}.name()) {
		all = append(all, entrant{nginx{}, theirs})
	}
	return all
}

func (s scenario) compare(b *testing.B, contenders []entrant, table io.Writer) {
	b.Helper()
	best := measure(b, s, contenders)
	for i, c := range contenders {
		ratio := float64(best[i].cpuPerRequest()) / float64(best[1].cpuPerRequest())
		target := ""
		if i == 0 && s.target > 0 {
			target = fmt.Sprintf("≤ %.1f: %s", s.target, verdict(ratio <= s.target))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.2f\t%s\t%.0f\t%s\t%s\n", s.name, c.name(), short(best[i].cpuPerRequest()), ratio, target,
			best[i].rate(), short(best[i].p50), short(best[i].p99))
	}
}

func compareMemory(b *testing.B, contenders []entrant, table io.Writer) {
	b.Helper()
	fmt.Fprintln(table, "\nMEMORY\tPAIR\tIDLE PROXY\tTARGET\tIDLE CONNECTION\tTARGET")
	for i, c := range contenders {
		p := c.start(b, c.world, portTCP)
		m := c.world.hold(b, p)
		p.kill(b)
		var idle, connection string
		if i == 0 {
			idle, connection = "≤ 20 MB: "+verdict(m.idle <= 20<<20), "≤ 40 KB: "+verdict(m.connection <= 40<<10)
		}
		fmt.Fprintf(table, "%d idle connections\t%s\t%.1f MB\t%s\t%.1f KB\t%s\n", idleConnections, c.name(), float64(m.idle)/(1<<20), idle, float64(m.connection)/(1<<10), connection)
	}
}

// measure takes of each pair the round with the least CPU time for a request: what disturbs only ever adds.
func measure(b *testing.B, s scenario, contenders []entrant) []outcome {
	b.Helper()
	best := make([]outcome, len(contenders))
	for range *rounds {
		for i, c := range contenders {
			p := c.start(b, c.world, s.port)
			c.world.drive(b, p, s.path, time.Second, s.fresh) // warm up
			o := c.world.drive(b, p, s.path, *duration, s.fresh)
			p.kill(b)
			fmt.Fprintf(os.Stderr, "%-36s %-8s %s of CPU a request, %.0f/s\n", s.name, c.name(), short(o.cpuPerRequest()), o.rate())
			if best[i].requests == 0 || o.cpuPerRequest() < best[i].cpuPerRequest() {
				best[i] = o
			}
		}
	}
	return best
}

func verdict(within bool) string {
	if within {
		return "within"
	}
	return "OVER"
}

// short is a duration with three digits.
func short(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			text := fmt.Sprintf("%.2f", float64(d)/float64(u.unit))
			return strings.TrimSuffix(text[:min(len(text), 4)], ".") + u.name
		}
	}
	return d.String()
}
