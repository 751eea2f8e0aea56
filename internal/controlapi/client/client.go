package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// ErrUnavailable: nobody has answered, and nothing was ever told about what was asked for.
var ErrUnavailable = errors.New("the control API does not answer")

// Options of a Client.
type Options struct {
	// Address of the control API, host:port.
	Address string
	// Server is the one identity that the control API must prove; before it has, nothing is sent.
	Server identity.ID
	// Source is the workload's own certificate, and the roots that the server's must lead to.
	Source mtls.Source
	// Token is the pod's token of the moment. It is asked for at each connect.
	Token func() (string, error)
	// Version of the proxy's program, for people.
	Version string
	// StateDir is where what was told is kept for the next process; "" keeps nothing.
	StateDir string
	// Report is told when a stream opens, true, and when it ends, false. It must not block; nil: nobody is told.
	Report func(connected bool)
	Log    logr.Logger
}

// How many addresses and credentials are watched. What was not used for longest makes room.
const (
	maxAddresses   = 1024
	maxCredentials = 64
)

// grace is how long after the end of a stream a question still waits for the next one. Replicas are replaced in less.
const grace = 2 * time.Second

// Client holds what the control API has told. It is safe for concurrent use.
type Client struct {
	options Options
	// wake tells the stream's sender that there may be something to ask.
	wake chan struct{}
	// save tells Run that there may be something to keep.
	save chan struct{}

	mu          sync.Mutex
	seen        proxyconfig.AsOf
	config      configuration
	addresses   watched[netip.AddrPort, proxyconfig.Address]
	credentials watched[string, proxyconfig.Credential]
	receipt     receipt
	// stream numbers the streams; connected says that this one is open.
	stream    uint64
	connected bool
	// away is closed while the control API counts as away, so that nobody waits for it.
	away     chan struct{}
	leaving  *time.Timer
	replaced chan struct{}
}

// New returns a client that knows what a former process has kept. It connects in Run.
func New(o Options) *Client {
	if o.Report == nil {
		o.Report = func(bool) {}
	}
	c := &Client{
		options:     o,
		wake:        make(chan struct{}, 1),
		save:        make(chan struct{}, 1),
		addresses:   newWatched[netip.AddrPort, proxyconfig.Address](maxAddresses),
		credentials: newWatched[string, proxyconfig.Credential](maxCredentials),
		config:      configuration{changed: make(chan struct{})},
		away:        make(chan struct{}),
		replaced:    make(chan struct{}),
	}
	c.restore()
	return c
}

// Config is the configuration that was told last, nil before the first, and a channel that is closed when there is another.
// It is not to be changed.
func (c *Client) Config() (*proxyconfig.Config, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config.current, c.config.changed
}

// Ack says that a configuration returned by Config is in force.
func (c *Client) Ack(config *proxyconfig.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if config == nil || config != c.config.current {
		return // there is another by now, which is to be acknowledged itself
	}
	if c.config.good != config {
		raise(c.save)
	}
	c.config.good, c.config.acked, c.config.rejected = config, config, ""
	c.receipt.settle()
	raise(c.wake)
}

// Reject says that a configuration returned by Config could not be put in force, so that the one before it still is.
func (c *Client) Reject(config *proxyconfig.Config, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if config == nil || config != c.config.current {
		return
	}
	c.config.rejected = cmp.Or(clip(reason.Error()), "no reason was given")
	c.receipt.reject(c.config.rejected)
	raise(c.wake)
}

// Answer is what was told about an address.
type Answer struct {
	proxyconfig.Address
	// Fresh is false for the last known answer while nobody tells of changes.
	Fresh bool
}

// Address is what to do about an address that is dialled. The first question about it waits for the answer, all later ones
// have it at once, kept up to date. The error is ErrUnavailable, or ctx's, where none came.
func (c *Client) Address(ctx context.Context, address netip.AddrPort) (Answer, error) {
	address = netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
	value, fresh, err := get(ctx, c, &c.addresses, address)
	if err != nil {
		return Answer{}, fmt.Errorf("address %s: %w", address, err)
	}
	return Answer{Address: value, Fresh: fresh}, nil
}

// Credential is the content of a Secret of the pod's namespace, or the Problem with it. It waits as Address does. Credentials
// are not kept across processes.
func (c *Client) Credential(ctx context.Context, name string) (proxyconfig.Credential, error) {
	value, _, err := get(ctx, c, &c.credentials, name)
	if err != nil {
		return proxyconfig.Credential{}, fmt.Errorf("credential %s: %w", name, err)
	}
	return value, nil
}

// Replaced is a channel that is closed when an answer that somebody has had is replaced by another: connections that began by
// it may be decided again.
func (c *Client) Replaced() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replaced
}

// Connected says whether a stream is open.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// get finds what was told about a key, or asks and waits.
func get[K comparable, V any](ctx context.Context, c *Client, from *watched[K, V], key K) (V, bool, error) {
	c.mu.Lock()
	e, added := from.use(key)
	if added {
		raise(c.wake)
	}
	if e.told {
		defer c.mu.Unlock()
		return e.value, c.fresh(e.stream), nil
	}
	e.waiting++
	away := c.away
	c.mu.Unlock()

	var err error
	select {
	case <-e.answered:
	case <-away:
		err = ErrUnavailable
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.waiting--
	if e.told {
		return e.value, c.fresh(e.stream), nil
	}
	return e.value, false, err
}

// fresh says whether what a stream has told is kept up to date.
func (c *Client) fresh(stream uint64) bool { return c.connected && stream == c.stream }

// raise wakes whoever waits on a channel of capacity 1.
func raise(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
