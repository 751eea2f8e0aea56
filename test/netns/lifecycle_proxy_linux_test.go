package netns

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// metric reads one of a proxy's metrics from within its pod; the name has its labels. One that is not there is 0.
func metric(ctx context.Context, pod *kubelet.Pod, name string) (float64, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: pod.Net.DialContext, DisableKeepAlives: true}, Timeout: exchangeTimeout}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", naming.PortAdmin), http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the metrics of %s: status %d", pod.Net.Name, response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, lines.Err()
}

// connected waits until a proxy has a stream to the control API.
func connected(t *testing.T, pod *kubelet.Pod) {
	t.Helper()
	eventually(t, pod.Net.Name+" is connected", func() error {
		is, err := metric(t.Context(), pod, "warifu_proxy_control_connected")
		if err == nil && is != 1 {
			err = fmt.Errorf("it says %g", is)
		}
		return err
	})
}

// open is how many connections a proxy has open, inbound or outbound.
func open(ctx context.Context, pod *kubelet.Pod, direction string) (int, error) {
	value, err := metric(ctx, pod, `warifu_proxy_open_connections{direction="`+direction+`"}`)
	return int(value), err
}

// memory is how much of it a proxy occupies, in bytes.
func memory(t *testing.T, pod *kubelet.Pod) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pod.Proxy().PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no VmRSS in %s", raw)
	return 0
}

// memoryWatch is how much memory the proxies of client and server occupied at first.
type memoryWatch struct {
	pods  []*kubelet.Pod
	first []int64
}

func (s *shop) watchMemory(t *testing.T) *memoryWatch {
	t.Helper()
	w := &memoryWatch{pods: []*kubelet.Pod{s.orders, s.server}}
	for _, pod := range w.pods {
		w.first = append(w.first, memory(t, pod))
	}
	return w
}

// flat: the proxies occupy hardly more than at first. What they do where races are looked for is not said.
func (w *memoryWatch) flat(t *testing.T) {
	t.Helper()
	const slack = 16 << 20 // what the garbage collector lets be
	for i, pod := range w.pods {
		now := memory(t, pod)
		t.Logf("proxy of %s: %d KiB, at first %d KiB", pod.Net.Name, now>>10, w.first[i]>>10)
		if now > w.first[i]+slack && len(raceFlags) == 0 {
			t.Errorf("the proxy of %s has grown from %d to %d bytes", pod.Net.Name, w.first[i], now)
		}
	}
}

// mostPerConnection is what an idle connection with mutual TLS may cost each proxy, in bytes.
const mostPerConnection = 40 << 10

// perConnection tells what the connections cost that came since, some seconds after they were last used.
func (w *memoryWatch) perConnection(t *testing.T, connections int) {
	t.Helper()
	for i, pod := range w.pods {
		cost := func() int64 { return (memory(t, pod) - w.first[i]) / int64(connections) }
		for range 10 { // the runtime gives memory back by and by
			if cost() <= mostPerConnection {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
		t.Logf("proxy of %s: %d bytes for each of %d idle connections", pod.Net.Name, cost(), connections)
		if got := cost(); got > mostPerConnection && len(raceFlags) == 0 {
			t.Errorf("an idle connection costs the proxy of %s %d bytes", pod.Net.Name, got)
		}
	}
}
