package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// How long an answer takes that is under way when its server is asked to end, and how long a proxy lets connections finish.
const (
	slowAnswer = 3 * time.Second
	drainTime  = 15 * time.Second
)

// deleted: a pod finishes what it has begun, first its application and then its proxy.
func (s *shop) deleted(t *testing.T) {
	pod, address := s.world.server(t, s.namespace, "leaving", true)
	eventually(t, "the first answer", func() error { return ask(t, s.orders, address, "/", nil).err })
	answers := s.slowAnswers(t, address)
	begin := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- pod.Stop(t.Context()) }()
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Errorf("an answer that was under way: %v", err)
		}
	}
	if err := <-ended; err != nil { // an exit code that is not 0, too
		t.Error(err)
	}
	if took := time.Since(begin); took < slowAnswer/2 || took > slowAnswer+drainTime {
		t.Errorf("the pod has ended after %s", took)
	}
}

// drained: a proxy that is asked to end takes nothing new, lets what is under way finish, and is gone as soon as that has.
func (s *shop) drained(t *testing.T) {
	pod, address := s.world.server(t, s.namespace, "drained", true)
	eventually(t, "the first answer", func() error { return ask(t, s.orders, address, "/", nil).err })
	bytes, err := dial(t, s.orders, address, appEcho)
	if err == nil {
		err = echo(bytes, "before")
	}
	if err != nil {
		t.Fatal(err)
	}
	answers := s.slowAnswers(t, address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begin := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- pod.Proxy().Stop(ctx) }()
	if err := pod.Proxy().WaitForOutput(ctx, "draining"); err != nil {
		t.Fatal(err)
	}
	s.takesNothing(t, pod)
	if err := echo(bytes, "meanwhile"); err != nil {
		t.Errorf("bytes while the proxy drains: %v", err)
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Errorf("an answer that was under way: %v", err)
		}
	}
	_ = bytes.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took < slowAnswer/2 || took > drainTime {
		t.Errorf("the proxy has ended after %s", took)
	}
}

// takesNothing: a new connection is refused by a proxy that has not ended yet.
func (s *shop) takesNothing(t *testing.T, pod *kubelet.Pod) {
	t.Helper()
	eventually(t, "new connections are refused", func() error {
		conn, err := dial(t, s.stranger, pod.Net.IPv4, appHTTP)
		if err == nil {
			return errors.Join(errors.New("one was accepted"), conn.Close())
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		return nil
	})
	select {
	case <-pod.Proxy().Done():
		t.Error("the proxy has not waited for what was under way")
	default:
	}
}

// slowAnswers begins one in HTTP/1.1 and one in HTTP/2, and returns when the first half of each has come. The channel tells
// how each ends, and has room for as many.
func (s *shop) slowAnswers(t *testing.T, address netip.Addr) chan error {
	t.Helper()
	versions := []bool{false, true}
	answers := make(chan error, len(versions))
	for _, http2 := range versions {
		client := httpClient(s.orders, http2)
		t.Cleanup(client.CloseIdleConnections)
		url := fmt.Sprintf("http://%s/slow?for=%s", netip.AddrPortFrom(address, appHTTP), slowAnswer)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(response.Body)
		if first, err := lines.ReadString('\n'); first != slowBegin+"\n" {
			t.Fatalf("the answer begins with %q: %v", first, err)
		}
		go func() {
			defer response.Body.Close()
			last, err := lines.ReadString('\n')
			if err == nil && last != slowEnd+"\n" {
				err = fmt.Errorf("it ends with %q", last)
			}
			answers <- err
		}()
	}
	return answers
}
