package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/cli"
	"github.com/warifu/warifu/internal/cli/explain"
	"github.com/warifu/warifu/internal/cli/manifest"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// How many cells are tried at once, and how long a policy may take to reach clients once servers have it in force: they are
// told of an endpoint's mode by another stream.
const (
	atOnce = 12
	settle = 20 * time.Second
)

// TestReachability tries every cell on real sockets. What happens must be what is written by hand, and what warifu explain
// says of the objects in the cluster.
func TestReachability(t *testing.T) {
	l := newLandscape(t)
	expected := expectations(t)
	// Without a policy of the mesh first, while there has not been one.
	for _, mode := range []string{none, "STRICT", "PERMISSIVE", "DISABLE"} {
		t.Run("mesh "+mode, func(t *testing.T) {
			if mode != none {
				l.apply(t, peerAuthentication(naming.DefaultNamespace, "default", "mtls: {mode: "+mode+"}"))
			}
			p := &phase{landscape: l, view: l.explained(t), expected: expected, until: time.Now().Add(settle), pairs: map[string]*sync.Mutex{}}
			var some []cell
			for _, c := range cells() {
				if c.mesh == mode {
					some = append(some, c)
				}
			}
			p.try(t, some)
		})
	}
}

// phase is the time in which one policy of the mesh is in force.
type phase struct {
	*landscape
	view     *explain.View
	expected map[string]string
	until    time.Time

	mu    sync.Mutex
	pairs map[string]*sync.Mutex
}

func (p *phase) try(t *testing.T, some []cell) {
	t.Helper()
	begin := time.Now()
	turn := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for _, c := range some {
		turn <- struct{}{}
		running.Go(func() {
			defer func() { <-turn }()
			p.tryOne(t, c)
		})
	}
	running.Wait()
	t.Logf("%d cells in %s", len(some), time.Since(begin).Round(time.Millisecond))
}

// tryOne tries a cell until what happens is what is expected, or policies must have reached everybody.
func (p *phase) tryOne(t *testing.T, c cell) {
	explained, reason, err := p.explain(c)
	if err != nil {
		t.Errorf("%s: asking warifu explain: %v", c, err)
		return
	}
	want := p.expected[c.row()]
	for {
		got, why := p.meet(t.Context(), c)
		if got == want && got == explained {
			return
		}
		if time.Now().After(p.until) {
			t.Errorf("%s: got %s (%v), want %s; explained as %s: %s", c, got, why, want, explained, reason)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (p *phase) ends(c cell) (client *kubelet.Pod, s *server) {
	key := serverKey{c.level, c.mode, c.serverProxied}
	if c.level == "mesh" {
		key.mode = ""
	}
	return p.clients[clientKey{c.rule, c.clientProxied}], p.servers[key]
}

// meet has the two workloads exchange something, and says what came of it.
func (p *phase) meet(ctx context.Context, c cell) (outcome string, why error) {
	client, s := p.ends(c)
	how := exchanges[c.protocol]
	if c.serverProxied {
		defer p.alone(client, s, how.port)()
	}
	before := len(inboundLines(s.pod, client, how.port))
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	saw, err := how.exchange(ctx, client, s.reach(c.clientProxied, how.port).String())
	if err != nil {
		if ctx.Err() != nil {
			return "hangs", err
		}
		return outcomeRefused, err
	}
	proven := ""
	if c.serverProxied {
		if proven, err = identityIn(ctx, s.pod, client, how.port, before); err != nil {
			return "not logged", err
		}
		if err := sameIdentity(c, saw, proven); err != nil {
			return "told differently", err
		}
	}
	switch {
	case proven != "":
		return outcomeMTLS, nil
	case saw.Layers > 0:
		return outcomeTLS, nil
	}
	return outcomePlain, nil
}

// alone waits for a pair's port, so that a line of the server's log can be told from others.
func (p *phase) alone(client *kubelet.Pod, s *server, port uint16) (done func()) {
	key := fmt.Sprint(client.Net.IPv4, s.pod.Net.IPv4, port)
	p.mu.Lock()
	pair := p.pairs[key]
	if pair == nil {
		pair = &sync.Mutex{}
		p.pairs[key] = pair
	}
	p.mu.Unlock()
	pair.Lock()
	return pair.Unlock
}

// sameIdentity: what an application that speaks HTTP is told of its peer is what the proxy has seen proven.
func sameIdentity(c cell, saw seen, proven string) error {
	if exchanges[c.protocol].port != appHTTP {
		return nil
	}
	told := strings.Join(saw.XFCC, ",")
	if (proven == "") != (told == "") || !strings.HasSuffix(told, proven) {
		return fmt.Errorf("the application is told %q, and %q was proven", told, proven)
	}
	return nil
}

// logLine is what is read of a line of the access log.
type logLine struct {
	Direction, Verdict string
	Source             struct{ Address, Identity string }
	Destination        struct{ Address string }
}

// inboundLines are what a server's proxy logged of a client's connections to a port.
func inboundLines(s, client *kubelet.Pod, port uint16) []logLine {
	if s.Proxy() == nil {
		return nil
	}
	var out []logLine
	for text := range strings.Lines(s.Proxy().Stdout()) {
		var line logLine
		if json.Unmarshal([]byte(text), &line) != nil || line.Direction != "inbound" {
			continue
		}
		source, _ := netip.ParseAddrPort(line.Source.Address)
		destination, _ := netip.ParseAddrPort(line.Destination.Address)
		if source.Addr() == client.Net.IPv4 && destination.Port() == port {
			out = append(out, line)
		}
	}
	return out
}

// identityIn waits for the log to tell of a connection more than before, and returns the identity that its client proved.
func identityIn(ctx context.Context, s, client *kubelet.Pod, port uint16, before int) (string, error) {
	for {
		if lines := inboundLines(s, client, port); len(lines) > before {
			last := lines[len(lines)-1]
			// It has failed where an end closed what the other was still writing to: after the exchange.
			if last.Verdict != "allowed" && last.Verdict != "failed" {
				return "", fmt.Errorf("the server's proxy calls the connection %s", last.Verdict)
			}
			return last.Source.Identity, nil
		}
		select {
		case <-ctx.Done():
			return "", errors.New("the server's proxy does not log the connection")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// explained is what warifu explain knows of the cluster as it is now.
func (l *landscape) explained(t *testing.T) *explain.View {
	t.Helper()
	set, err := manifest.FromCluster(t.Context(), l.Client)
	if err != nil {
		t.Fatal(err)
	}
	view, _ := cli.View(set, policy.Settings{RootNamespace: naming.DefaultNamespace, TrustDomain: "cluster.local", ClusterDomain: "cluster.local"})
	return view
}

// explain is what warifu explain says of a cell, in the table's words, and why.
func (p *phase) explain(c cell) (outcome, reason string, err error) {
	client, s := p.ends(c)
	from, to := client.Object(), s.pod.Object()
	port := exchanges[c.protocol].port
	question := explain.Question{
		To:   explain.Target{NamespacedName: types.NamespacedName{Namespace: to.Namespace, Name: s.service.Name}, Port: port},
		From: explain.Origin{Pod: types.NamespacedName{Namespace: from.Namespace, Name: from.Name}},
	}
	if port == appHTTP {
		question.HTTP = &authz.HTTP{Method: "GET", Host: appName, Path: "/"}
	}
	answer, err := explain.Explain(p.view, question)
	if err != nil {
		return "", "", err
	}
	outcome = map[explain.Outcome]string{
		explain.MTLS: outcomeMTLS, explain.TLS: outcomeTLS, explain.Plaintext: outcomePlain, explain.Refused: outcomeRefused,
	}[answer.Transport.Outcome]
	if outcome != outcomeRefused && !answer.Allowed {
		outcome = "denied"
	}
	// TLS "reaches the application, which must speak TLS itself": this one does not where it speaks first.
	if outcome == outcomeTLS && c.protocol == "server-first" {
		outcome = outcomeRefused
	}
	return outcome, answer.Transport.Reason, nil
}
