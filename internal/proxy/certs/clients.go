package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// maxChoices bounds the configurations that are kept; a proxy has as many as its workload uses DestinationRules and hosts.
const maxChoices = 512

// Credentials knows the Secrets that the control API has told of. Credential may wait for an answer until ctx ends; an error
// means that there is none, Credential.Problem that the Secret may not or cannot be used.
type Credentials interface {
	Credential(ctx context.Context, name string) (proxyconfig.Credential, error)
}

// Options are what Clients are made of.
type Options struct {
	// Volumes is the folder that stands for naming.VolumesDir; empty is naming.VolumesDir itself.
	Volumes string
	// Credentials answers for credentialName.
	Credentials Credentials
	// Report is told when a choice of TLS goes on with its last good material because the present one cannot be used: once
	// for each different error. It must not block, and may be nil.
	Report func(error)
}

// Clients makes TLS configurations for servers outside of the mesh. It is safe for concurrent use.
type Clients struct {
	files       *files
	credentials Credentials
	report      func(error)

	mu      sync.Mutex
	choices map[string]*choice
}

// choice is a choice of TLS with the material that was last good.
type choice struct {
	material material
	config   *tls.Config
	// problem that was reported last; "" while all is well.
	problem string
}

// NewClients reads nothing yet: files and Secrets are looked at when a connection needs them.
func NewClients(o Options) *Clients {
	c := &Clients{
		files: newFiles(o.Volumes), credentials: o.Credentials, report: o.Report,
		choices: map[string]*choice{},
	}
	if o.Volumes == "" {
		c.files = newFiles(naming.VolumesDir)
	}
	if c.report == nil {
		c.report = func(error) {}
	}
	return c
}

// ClientTLS is the configuration for a choice of mode SIMPLE or MUTUAL, from its files or its Secret as they are now. It is
// shared with other connections: clone it to change it. An error names the deciding rule, the field and what to do; the
// connection must then be refused.
func (c *Clients) ClientTLS(ctx context.Context, t proxyconfig.ClientTLS) (*tls.Config, error) {
	config, err := c.clientTLS(ctx, &t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", decider(&t), err)
	}
	return config, nil
}

func decider(t *proxyconfig.ClientTLS) string {
	if t.DecidedBy == nil {
		return "client TLS"
	}
	return t.DecidedBy.String()
}

func (c *Clients) clientTLS(ctx context.Context, t *proxyconfig.ClientTLS) (*tls.Config, error) {
	if t.Mode != proxyconfig.ClientSimple && t.Mode != proxyconfig.ClientMutual {
		return nil, fmt.Errorf("mode %s has no files and no Secret", t.Mode)
	}
	encoded, err := json.Marshal(t) //nolint:gosec // names of files and Secrets, not what is in them
	if err != nil {
		return nil, err
	}
	key := string(encoded)
	m, err := c.gather(ctx, t)
	if err == nil {
		if config := c.known(key, m); config != nil {
			return config, nil
		}
		var config *tls.Config
		if config, err = m.config(t); err == nil {
			c.keep(key, &choice{material: m, config: config})
			return config, nil
		}
	}
	if config := c.lastGood(key, t, err); config != nil {
		return config, nil
	}
	return nil, err
}

// known is the configuration that was made of this very material.
func (c *Clients) known(key string, m material) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.choices[key]
	if last == nil || !last.material.equal(m) {
		return nil
	}
	last.problem = ""
	return last.config
}

func (c *Clients) keep(key string, made *choice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.choices[key]; !ok && len(c.choices) >= maxChoices {
		for other := range c.choices {
			delete(c.choices, other)
			break
		}
	}
	c.choices[key] = made
}

// lastGood is the configuration that goes on to be used in spite of a problem; nil where there is none, and where the
// problem is that the Secret has been taken away.
func (c *Clients) lastGood(key string, t *proxyconfig.ClientTLS, problem error) *tls.Config {
	c.mu.Lock()
	last := c.choices[key]
	if last == nil {
		c.mu.Unlock()
		return nil
	}
	if errors.As(problem, new(withdrawn)) {
		delete(c.choices, key)
		c.mu.Unlock()
		return nil
	}
	told := last.problem == problem.Error()
	last.problem = problem.Error()
	c.mu.Unlock()
	if !told {
		c.report(fmt.Errorf("%s: going on with what was good before: %w", decider(t), problem))
	}
	return last.config
}

// config makes the configuration of a choice.
func (m material) config(t *proxyconfig.ClientTLS) (*tls.Config, error) {
	config, err := mtls.ForeignClientConfig(mtls.Foreign{
		CACertificates: m.ca, CACRL: m.crl, ClientCertificate: m.certificate, PrivateKey: m.key,
		SubjectAltNames: t.SubjectAltNames, SNI: t.SNI, InsecureSkipVerify: t.InsecureSkipVerify,
	})
	if err != nil && t.CredentialName != "" {
		return nil, fmt.Errorf("credentialName %q: %w", t.CredentialName, err)
	}
	return config, err
}
