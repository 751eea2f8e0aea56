package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/proxyconfig"
)

func operator(t testing.TB) identity.ID { return id(t, "warifu-system", "warifu-operator") }

func mode(c *Client) proxyconfig.Mode {
	config, _ := c.Config()
	if config == nil {
		return ""
	}
	return config.Inbound.Default.Mode
}

// TestWhatIsNotUnderstoodIsRejected: such a line changes nothing, is rejected by its revision, and makes nobody believe that
// answers are up to date; the next line counts again.
func TestWhatIsNotUnderstoodIsRejected(t *testing.T) {
	s := newScripted(t, operator(t))
	c := s.client(s.identity, Options{})
	s.tells <- fmt.Sprintf(configLine, 1, "STRICT")
	eventually(t, "the configuration", func() bool { return mode(c) == "STRICT" })
	config, _ := c.Config()
	c.Ack(config)
	s.asked(func(a *proxyconfig.Ask) bool { return a.Ack == 1 })

	outside := netip.MustParseAddrPort("192.0.2.1:80")
	go func() { _, _ = c.Address(t.Context(), outside) }()
	s.asked(func(a *proxyconfig.Ask) bool { return len(a.Watch) == 1 })
	s.tells <- `{"revision":2,"addresses":[{"address":"192.0.2.1:80","known":false}]}`
	eventually(t, "a fresh answer", func() bool { a, err := c.Address(t.Context(), outside); return err == nil && a.Fresh })

	for i, line := range []string{
		`{"revision":3,"config":{"version":1,"forbid":true}}`,
		fmt.Sprintf(`{"revision":4,"config":{"version":%d,"identity":"x"}}`, proxyconfig.SchemaVersion+1),
		`{"revision":5,"config":{"version":0,"identity":"x"}}`,
	} {
		s.tells <- line
		got := s.asked(func(a *proxyconfig.Ask) bool { return a.Rejected != nil })
		if want := uint64(3 + i); got.Rejected.Revision != want || got.Rejected.Reason == "" {
			t.Errorf("rejected %+v, want revision %d", got.Rejected, want)
		}
	}
	if mode(c) != "STRICT" {
		t.Errorf("mode %q after lines that were rejected", mode(c))
	}
	if a, err := c.Address(t.Context(), outside); err != nil || a.Fresh {
		t.Errorf("after a line that was lost: %+v, %v", a, err)
	}
	s.tells <- fmt.Sprintf(configLine, 6, "DISABLE")
	eventually(t, "the next configuration", func() bool { return mode(c) == "DISABLE" })
}

// TestAckIsWhatIsInForce: a configuration counts when the data plane says so, answers at once, and one that was overtaken is
// not waited for.
func TestAckIsWhatIsInForce(t *testing.T) {
	s := newScripted(t, operator(t))
	c := s.client(s.identity, Options{})
	s.tells <- fmt.Sprintf(configLine, 1, "STRICT")
	eventually(t, "the configuration", func() bool { return mode(c) == "STRICT" })
	first, changed := c.Config()
	s.tells <- `{"revision":2,"addresses":[{"address":"192.0.2.1:80","known":false}]}`
	s.tells <- fmt.Sprintf(configLine, 3, "PERMISSIVE")
	<-changed
	c.Ack(first) // which is not the newest any more
	second, _ := c.Config()
	c.Ack(second)
	got := s.asked(func(a *proxyconfig.Ask) bool { return a.Ack > 0 })
	if got.Ack != 3 {
		t.Errorf("acknowledged %d first, want 3: what came before was never known to be in force", got.Ack)
	}
}

// TestReconnectSaysWhatWasSeen: after a refusal and on another stream the client says hello with the newest state it was told,
// asks again, and says what became of a configuration that it knows.
func TestReconnectSaysWhatWasSeen(t *testing.T) {
	s := newScripted(t, operator(t))
	s.status = http.StatusServiceUnavailable
	c := s.client(s.identity, Options{})
	eventually(t, "attempts", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.requests > 1 })
	s.mu.Lock()
	s.status = http.StatusOK
	s.mu.Unlock()
	if hello := s.asked(func(a *proxyconfig.Ask) bool { return a.Hello != nil }).Hello; len(hello.Seen) != 0 || hello.Schema != proxyconfig.SchemaVersion {
		t.Errorf("the first hello: %+v", hello)
	}
	s.tells <- fmt.Sprintf(configLine, 1, "STRICT")
	eventually(t, "the configuration", func() bool { return mode(c) == "STRICT" })
	config, _ := c.Config()
	c.Reject(config, errors.New("no such port"))
	s.asked(func(a *proxyconfig.Ask) bool { return a.Rejected != nil })
	go func() { _, _ = c.Address(t.Context(), netip.MustParseAddrPort("192.0.2.1:80")) }()
	s.asked(func(a *proxyconfig.Ask) bool { return len(a.Watch) == 1 })

	s.tells <- `{"asOf":{"Pod":4,"Service":2}}` // of a replica that is behind in pods
	s.tells <- ""
	hello := s.asked(func(a *proxyconfig.Ask) bool { return a.Hello != nil }).Hello
	if hello.Seen["Pod"] != 5 || hello.Seen["Service"] != 2 {
		t.Errorf("seen %v", hello.Seen)
	}
	s.asked(func(a *proxyconfig.Ask) bool { return len(a.Watch) == 1 })
	s.tells <- fmt.Sprintf(configLine, 1, "STRICT")
	if got := s.asked(func(a *proxyconfig.Ask) bool { return a.Rejected != nil }); got.Rejected.Reason != "no such port" {
		t.Errorf("rejected %+v", got.Rejected)
	}
}

// TestCallersShareOneQuestion: however many dial an address at once, it is asked about once.
func TestCallersShareOneQuestion(t *testing.T) {
	s := newScripted(t, operator(t))
	c := s.client(s.identity, Options{})
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:80")
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			to := netip.MustParseAddrPort("192.0.2.1:80")
			if i%2 == 0 {
				to = mapped // as a dual-stack socket names it
			}
			if _, err := c.Address(t.Context(), to); err != nil {
				t.Error(err)
			}
		})
	}
	if got := s.asked(func(a *proxyconfig.Ask) bool { return len(a.Watch) > 0 }); len(got.Watch) != 1 {
		t.Errorf("asked about %v", got.Watch)
	}
	s.tells <- `{"revision":1,"addresses":[{"address":"192.0.2.1:80","known":false}]}`
	all.Wait()
}

// TestNobodyAnswers: a question ends with its caller's patience, and is then no burden.
func TestNobodyAnswers(t *testing.T) {
	s := newScripted(t, operator(t))
	c := s.client(s.identity, Options{})
	eventually(t, "a stream", c.Connected)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Address(ctx, netip.MustParseAddrPort("192.0.2.1:80"))
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestStateOfAFormerProcess: what is not what we write is left aside, whatever it is.
func TestStateOfAFormerProcess(t *testing.T) {
	good := `{"seen":{"Pod":5},"config":{"version":1,"identity":"x","trustDomains":null,"inbound":{"default":{"mode":"STRICT"}},"outbound":{},"telemetry":{"accessLogPercent":0}},` +
		`"addresses":[{"address":"192.0.2.1:80","known":false}]}`
	for name, tt := range map[string]struct {
		file string
		want bool
	}{
		"good":             {good, true},
		"cut off":          {good[:len(good)/2], false},
		"empty":            {"", false},
		"an unknown field": {`{"seen":{},"forbid":true}`, false},
		"a newer schema":   {`{"seen":{},"config":{"version":99,"identity":"x"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			c := New(Options{StateDir: dir, Log: logr.Discard()})
			if config, _ := c.Config(); (config != nil) != tt.want {
				t.Errorf("config %+v", config)
			}
			nobody, cancel := context.WithCancel(t.Context())
			cancel()
			answer, err := c.Address(nobody, netip.MustParseAddrPort("192.0.2.1:80"))
			if (err == nil) != tt.want || answer.Fresh {
				t.Errorf("%+v, %v", answer, err)
			}
		})
	}
}
