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
