package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/warifu/warifu/internal/testkit/kubelet"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// convert reads an object into a struct.
func convert(o *unstructured.Unstructured, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into)
}

// dial opens a connection from a pod, as its application would.
func dial(t *testing.T, from *kubelet.Pod, to netip.Addr, port uint16) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := from.Net.DialContext(ctx, "tcp", netip.AddrPortFrom(to, port).String())
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// client speaks HTTP from a pod: HTTP/1.1, or HTTP/2 without TLS.
func httpClient(from *kubelet.Pod, http2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	return &http.Client{
		Transport: &http.Transport{DialContext: from.Net.DialContext, Protocols: &protocols, DisableKeepAlives: !http2},
		Timeout:   20 * time.Second,
	}
}

// answer is what a client got: a status, or that there was no connection.
type answer struct {
	status int
	body   string
	seen   seen
	err    error
}

// ask sends one request. change may be nil.
func ask(t *testing.T, from *kubelet.Pod, to netip.Addr, path string, change func(*http.Request)) answer {
	t.Helper()
	return askWith(t, httpClient(from, false), to, path, change)
}

func askWith(t *testing.T, c *http.Client, to netip.Addr, path string, change func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+netip.AddrPortFrom(to, appHTTP).String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(request)
	}
	response, err := c.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, body: string(raw), err: err}
	_ = json.Unmarshal(raw, &a.seen)
	return a
}

// want checks the status, 0 for a connection that does not come about.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status || (a.err != nil) != (status == 0) {
		t.Errorf("got status %d %q (%v), want %d", a.status, a.body, a.err, status)
	}
	return a
}

// echo has the application say something again.
func echo(conn net.Conn, text string) error {
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("got %q, want %q", got, text)
	}
	return nil
}

// says runs a program in a pod and returns what it said, whether it succeeded or not.
func says(t *testing.T, in *kubelet.Pod, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := in.Exec(ctx, "app", podnet.Command{Path: program, Args: args, Stdin: strings.NewReader("")})
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s does not end", program)
	}
	return fmt.Sprintf("%s\n%v", out, err)
}
