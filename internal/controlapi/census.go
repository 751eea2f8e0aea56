package controlapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Times and bounds of asking other replicas.
const (
	censusEvery   = time.Second
	censusTimeout = 3 * time.Second
	// interest is for how long somebody who asked counts as interested: a policy that is pending asks again every second.
	interest  = 5 * time.Second
	maxCensus = 64 << 20
)

// Census is what the proxies of all replicas have in force. The leader asks the others while somebody wants to know.
type Census struct {
	options CensusOptions
	client  *http.Client
	wake    chan struct{}

	mu    sync.Mutex
	asked time.Time
	all   map[string]wire.Acknowledgement
	// silent are the replicas that do not answer, with what was said of it.
	silent map[string]string
}

// CensusOptions of a Census.
type CensusOptions struct {
	// Local is this replica's own server.
	Local *Server
	// Replicas are the addresses, host:port, of all replicas, this one's too.
	Replicas func(ctx context.Context) ([]string, error)
	// Identity is what replicas prove to each other by Source.
	Identity identity.ID
	Source   mtls.Source
	Log      logr.Logger
}

// NewCensus asks nobody before Start.
func NewCensus(o CensusOptions) *Census {
	config := mtls.ClientConfig(o.Source, mtls.Verifier{Accept: mtls.OneOf(o.Identity)})
	config.NextProtos = []string{"h2"}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	return &Census{
		options: o, wake: make(chan struct{}, 1), silent: map[string]string{},
		client: &http.Client{
			Timeout: censusTimeout,
			Transport: &http.Transport{
				TLSClientConfig: config, Protocols: &protocols, TLSHandshakeTimeout: censusTimeout, IdleConnTimeout: idleTimeout,
				DialContext: (&net.Dialer{Timeout: censusTimeout}).DialContext,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// NeedLeaderElection is true: only who writes status asks.
func (c *Census) NeedLeaderElection() bool { return true }

// Start asks the other replicas while somebody is interested, until ctx ends.
func (c *Census) Start(ctx context.Context) error {
	defer c.client.CloseIdleConnections()
	tick := time.NewTicker(censusEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-tick.C:
			if !c.interested() {
				continue
			}
		}
		c.take(ctx)
	}
}

// Acknowledged is what the proxy of a pod has in force, and why it could not put the newest configuration in force. Nothing is
// known where no replica has its stream, and at first, until the others were asked.
func (c *Census) Acknowledged(pod types.NamespacedName, uid string) (inForce proxyconfig.AsOf, rejected string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.asked) > interest {
		raise(c.wake)
	}
	c.asked = now
	ack := c.all[proxyKey(pod, uid)]
	return ack.InForce, ack.Rejected
}

// interested says whether somebody has asked lately. What nobody asks for is not kept.
func (c *Census) interested() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.asked) <= interest {
		return true
	}
	c.all = nil
	return false
}

// take asks every replica at once. One that does not answer leaves out its proxies: they do not count as having anything in
// force.
func (c *Census) take(ctx context.Context) {
	own := c.options.Local.Acknowledgements()
	replicas, err := c.options.Replicas(ctx)
	if err != nil {
		c.note("", err)
		return
	}
	answers := make([]wire.Acknowledgements, len(replicas))
	var all sync.WaitGroup
	for i, address := range replicas {
		all.Go(func() {
			answer, err := c.ask(ctx, address)
			c.note(address, err)
			if err == nil && answer.Replica != own.Replica {
				answers[i] = answer
			}
		})
	}
	all.Wait()
	merged := merge(append(answers, own)...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = merged
	for address := range c.silent {
		if !slices.Contains(replicas, address) {
			delete(c.silent, address)
		}
	}
}

// ask asks one replica.
func (c *Census) ask(ctx context.Context, address string) (wire.Acknowledgements, error) {
	var out wire.Acknowledgements
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+wire.PathAcknowledgements, http.NoBody)
	if err != nil {
		return out, err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return out, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return out, fmt.Errorf("status %d", response.StatusCode)
	}
	return out, json.NewDecoder(io.LimitReader(response.Body, maxCensus)).Decode(&out)
}

// note logs what is wrong with a replica, once.
func (c *Census) note(address string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.silent, address)
		return
	}
	if c.silent[address] != err.Error() {
		c.silent[address] = err.Error()
		c.options.Log.Info("A replica does not say what its proxies have in force, so that they do not count", "replica", address, "reason", err.Error())
	}
}
