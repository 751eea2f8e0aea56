package client

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Back-off between attempts to connect. A stream that lasted for steady begins it anew.
const (
	firstDelay = 100 * time.Millisecond
	maxDelay   = 5 * time.Second
	steady     = 10 * time.Second
)

// saveEvery is how often, at most, what was told is kept.
const saveEvery = time.Second

// Run keeps a stream open until ctx ends. What the control API says no to is logged, once for each reason in a row.
func (c *Client) Run(ctx context.Context) {
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		c.keep(ctx)
	}()
	defer func() { <-kept }()
	c.leave()
	delay, last := firstDelay, ""
	for ctx.Err() == nil {
		began := time.Now()
		err := c.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= steady {
			delay, last = firstDelay, ""
		}
		if text := err.Error(); text != last {
			last = text
			c.options.Log.Info("Control API: no stream, connecting again", "address", c.options.Address, "reason", text)
		}
		// Half of the delay is random: proxies that lost the same replica do not come back together.
		if !sleep(ctx, delay/2+rand.N(delay/2)) { //nolint:gosec // no secret depends on it
			return
		}
		delay = min(2*delay, maxDelay)
	}
}

// opened notes that a new stream begins; the other end knows nothing of former ones.
func (c *Client) opened() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream++
	c.connected = true
	c.options.Report(true)
	c.receipt = receipt{}
	c.addresses.restart()
	c.credentials.restart()
	if c.leaving != nil && !c.leaving.Stop() {
		c.away = make(chan struct{})
	}
	c.leaving = nil
	return c.stream
}

// leave begins the time after which nobody waits for an answer any more.
func (c *Client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = false
	c.options.Report(false)
	if c.leaving == nil {
		away := c.away
		c.leaving = time.AfterFunc(grace, func() { close(away) })
	}
}

// apply takes in a line of a stream.
func (c *Client) apply(stream uint64, tell *proxyconfig.Tell) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = c.seen.With(tell.AsOf)
	if tell.Revision == 0 {
		return
	}
	c.configure(tell)
	replaced := false
	for _, a := range tell.Addresses {
		before, had := c.addresses.tell(a.Address, a, stream)
		replaced = replaced || had && !same(&before, &a)
	}
	for _, credential := range tell.Credentials {
		before, had := c.credentials.tell(credential.Name, credential, stream)
		replaced = replaced || had && !same(&before, &credential)
	}
	if replaced {
		close(c.replaced)
		c.replaced = make(chan struct{})
	}
	raise(c.wake)
	raise(c.save)
}

// configure takes in the configuration of a line. Another replica, or the same after a new connection, may tell what is
// known already: then what became of it is said again.
func (c *Client) configure(tell *proxyconfig.Tell) {
	known := tell.Config != nil && same(tell.Config, c.config.current)
	if tell.Config == nil || known && c.config.acked == c.config.current {
		c.receipt.receive(tell.Revision, false)
		return
	}
	c.receipt.receive(tell.Revision, true)
	switch {
	case !known:
		c.config.replace(tell.Config)
	case c.config.rejected != "":
		c.receipt.reject(c.config.rejected)
	}
}

// refuse rejects a line that cannot be understood. Whatever it was about, what was told before is not up to date any more.
func (c *Client) refuse(revision uint64, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receipt.receive(revision, true)
	c.receipt.reject(reason.Error())
	c.addresses.distrust()
	c.credentials.distrust()
	raise(c.wake)
}

// maxKeys bounds each list of one Ask, so that a line stays far below its bound.
const maxKeys = 500

// ask is what there is to ask and to say now; false for nothing.
func (c *Client) ask() (proxyconfig.Ask, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ask proxyconfig.Ask
	ask.Watch, ask.Forget = c.addresses.unasked(maxKeys)
	ask.WatchCredentials, ask.ForgetCredentials = c.credentials.unasked(maxKeys)
	ask.Ack, ask.Rejected = c.receipt.unsaid()
	something := len(ask.Watch)+len(ask.Forget)+len(ask.WatchCredentials)+len(ask.ForgetCredentials) > 0 ||
		ask.Ack > 0 || ask.Rejected != nil
	return ask, something
}

// hello begins a stream.
func (c *Client) hello() proxyconfig.Ask {
	c.mu.Lock()
	defer c.mu.Unlock()
	return proxyconfig.Ask{Hello: &proxyconfig.Hello{
		Schema: proxyconfig.SchemaVersion, Seen: c.seen, Version: c.options.Version,
	}}
}

// sleep waits; false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
