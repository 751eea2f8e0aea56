package l4

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// BenchmarkHandshake is a whole short connection of mesh TLS: both ends' handshakes, one line there and back, the end.
func BenchmarkHandshake(b *testing.B) {
	w := newWorld(b, func(_ *world, o *Options) { o.Telemetry = nil })
	config := w.mesh(payID)
	for b.Loop() {
		conn := tls.Client(w.dialQuick(), config)
		if got := ask(conn); got != served {
			b.Fatal(got)
		}
		conn.Close()
	}
}

func (w *world) dialQuick() *net.TCPConn {
	conn, err := net.Dial("tcp", w.inbound.String())
	if err != nil {
		w.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// BenchmarkLines is one line there and back on an open connection.
func BenchmarkLines(b *testing.B) {
	for _, mode := range []proxyconfig.Mode{proxyconfig.Strict, proxyconfig.Disable} {
		b.Run(string(mode), func(b *testing.B) {
			w := newWorld(b, nil)
			w.mode(mode)
			var conn net.Conn = w.dialQuick()
			if mode == proxyconfig.Strict {
				conn = tls.Client(conn, w.mesh(payID))
			}
			defer conn.Close()
			w.opened(conn)
			line, answer := []byte("ping\n"), make([]byte, len(served)+1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(line); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkThroughput sends to the application through two proxies, as between two pods, and through none for comparison.
func BenchmarkThroughput(b *testing.B) {
	for _, mode := range []string{"none", "DISABLE", "ISTIO_MUTUAL"} {
		b.Run(mode, func(b *testing.B) {
			server := newWorld(b, nil)
			received := make(chan int64)
			server.app.serves(func(conn *net.TCPConn) {
				n, _ := io.Copy(io.Discard, onlyReader{conn})
				received <- n
			})
			conn := server.route(b, mode)
			block := make([]byte, 1<<20)
			b.SetBytes(int64(len(block)))
			before, sent := cpuTime(), int64(0)
			for b.Loop() {
				if _, err := conn.Write(block); err != nil {
					b.Fatal(err)
				}
				sent += int64(len(block))
			}
			conn.Close()
			if n := <-received; n != sent {
				b.Errorf("%d bytes of %d arrived", n, sent)
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(sent>>20), "cpu-µs/MiB")
		})
	}
}

// onlyReader keeps io.Copy from a shortcut that an application would not take.
type onlyReader struct{ io.Reader }

// route connects to the application of server: directly, or through a client's proxy and the server's.
func (w *world) route(b *testing.B, mode string) net.Conn {
	if mode == "none" {
		conn, err := net.Dial("tcp", w.app.address.String())
		if err != nil {
			b.Fatal(err)
		}
		return conn
	}
	choice := istioMutual(cartID)
	if mode == "DISABLE" {
		choice = disable()
		w.mode(proxyconfig.Disable)
	}
	client := newWorld(b, func(c *world, _ *Options) { c.shared = w.ca })
	client.goTo(service)
	client.lookup.set(answer(choice, w.inbound.(*net.TCPAddr).AddrPort()), nil)
	conn, err := net.Dial("tcp", client.outbound.String())
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	user, _ := strconv.Atoi(fields[12])
	system, _ := strconv.Atoi(fields[13])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkIdle reports the memory of an idle mutual-TLS connection: that of the proxy, and that of the client and the
// application in the same process, which is measured first and taken off.
func BenchmarkIdle(b *testing.B) {
	const n = 500
	w := newWorld(b, func(_ *world, o *Options) { o.Telemetry = nil })
	quiet := make(chan struct{})
	w.app.serves(func(conn *net.TCPConn) {
		_, _ = io.CopyN(conn, conn, 5)
		<-quiet
	})
	defer close(quiet)
	config := w.mesh(payID)
	for b.Loop() {
		var conns []net.Conn
		before := memory()
		for range n {
			conn := tls.Client(w.dialQuick(), config)
			if _, err := conn.Write([]byte("ping\n")); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				b.Fatal(err)
			}
			conns = append(conns, conn)
		}
		open := memory()
		w.cutAll()
		waitFor(b, "the proxy is empty", func() bool { return w.workload.Open() == 0 })
		closed := memory()
		b.ReportMetric(float64(open-closed)/n, "proxy-B/conn")
		b.ReportMetric(float64(open-before)/n, "all-B/conn")
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// cutAll ends the proxy's connections and leaves the client's and the application's as they are.
func (w *world) cutAll() {
	for _, f := range w.workload.open() {
		f.end(failed(ReasonShutdown, ""))
	}
}

// memory is heap and stacks in use.
func memory() int64 {
	for range 6 { // pools are emptied, and stacks shrink, over several
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
