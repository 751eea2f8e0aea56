package proxybench

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/warifu/warifu/internal/testkit/podnet"
)

// connections that the load keeps busy.
const connections = 32

// outcome is what one load has cost.
type outcome struct {
	requests float64
	seconds  float64
	// cpu is what both proxies have spent, in seconds.
	cpu float64
	// p50 and p99 of a request at full load.
	p50, p99 time.Duration
}

func (o outcome) cpuPerRequest() time.Duration {
	return time.Duration(o.cpu / o.requests * float64(time.Second))
}
func (o outcome) rate() float64 { return o.requests / o.seconds }

// drive has wrk ask for a path for a while, over connections that stay open or, with fresh, over one for each request.
func (w *world) drive(b *testing.B, p pair, path string, duration time.Duration, fresh bool) outcome {
	b.Helper()
	args := []string{"-t1", "-c", strconv.Itoa(connections), "-d", duration.String(), "--latency", "--timeout", "10s"}
	if fresh {
		args = append(args, "-H", "Connection: close")
	}
	ctx, cancel := context.WithTimeout(b.Context(), duration+30*time.Second)
	defer cancel()
	before := cpuSeconds(b, p.near) + cpuSeconds(b, p.far)
	out, err := w.client.Run(ctx, podnet.Command{Path: "wrk", Args: append(args, "http://"+p.address.String()+path)})
	if err != nil {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	o := parse(b, out)
	o.cpu = cpuSeconds(b, p.near) + cpuSeconds(b, p.far) - before
	return o
}

var (
	requests = regexp.MustCompile(`(\d+) requests in ([\d.]+)(\w+)`)
	quantile = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(\w+)`)
	trouble  = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	refusals = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

// parse reads what wrk prints. A load that met errors measures something else, and ends the benchmark.
func parse(b *testing.B, out string) outcome {
	b.Helper()
	found := requests.FindStringSubmatch(out)
	if found == nil || refusals.MatchString(out) {
		b.Fatalf("the load did not work:\n%s", out)
	}
	if t := trouble.FindStringSubmatch(out); t != nil && (t[1] != "0" || t[4] != "0") {
		b.Fatalf("the load met errors:\n%s", out)
	}
	count, _ := strconv.ParseFloat(found[1], 64)
	if count == 0 {
		b.Fatalf("nothing was answered in time:\n%s", out)
	}
	o := outcome{requests: count, seconds: span(b, found[2], found[3]).Seconds()}
	for _, q := range quantile.FindAllStringSubmatch(out, -1) {
		if q[1] == "50" {
			o.p50 = span(b, q[2], q[3])
		} else {
			o.p99 = span(b, q[2], q[3])
		}
	}
	return o
}

func span(b *testing.B, number, unit string) time.Duration {
	b.Helper()
	d, err := time.ParseDuration(number + unit)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// cpuSeconds is what a process has spent so far, in user and kernel mode (proc(5), fields 14 and 15, of 100 a second).
func cpuSeconds(b *testing.B, pid int) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatalf("a proxy has ended: %v", err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+2:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// resident is the memory of a process, in bytes, without the pages of its program file that it shares.
func resident(b *testing.B, pid int) int64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatalf("a proxy has ended: %v", err)
	}
	return 1024 * (field(raw, "RssAnon") + field(raw, "RssShmem"))
}

// whole is the memory of a process, in bytes, with its program.
func whole(b *testing.B, pid int) int64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatalf("a proxy has ended: %v", err)
	}
	return 1024 * field(raw, "VmRSS")
}

func field(status []byte, name string) int64 {
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n
		}
	}
	return 0
}

// memory is what a pair holds.
type memory struct {
	// idle is the larger of the two proxies before any connection, connection what one more open and silent connection
	// takes of both together, divided by two.
	idle, connection int64
}

const idleConnections = 1000

// hold opens connections, asks once on each, and lets them be.
func (w *world) hold(b *testing.B, p pair) memory {
	b.Helper()
	m := memory{idle: max(whole(b, p.near), whole(b, p.far))}
	before := resident(b, p.near) + resident(b, p.far)
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	for range idleConnections {
		conn, err := w.client.DialContext(b.Context(), "tcp", p.address.String())
		if err != nil {
			b.Fatal(err)
		}
		held = append(held, conn)
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: app\r\n\r\n")); err != nil {
			b.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := conn.Read(make([]byte, 4096)); err != nil || n == 0 {
			b.Fatalf("no answer: %v", err)
		}
	}
	// Handshakes leave garbage behind; what stays is the question. Two collections return it, with the pages.
	time.Sleep(5 * time.Second)
	m.connection = (resident(b, p.near) + resident(b, p.far) - before) / 2 / idleConnections
	return m
}

// kill ends a pair before the next one takes its ports.
func (p pair) kill(b *testing.B) {
	b.Helper()
	for _, pid := range []int{p.near, p.far} {
		_ = unix.Kill(pid, unix.SIGKILL)
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/fd/0", pid)); err != nil {
				break
			}
		}
	}
}
