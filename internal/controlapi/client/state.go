package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// stateFile in the state directory, and its bound in bytes.
const (
	stateFile = "state.json"
	maxState  = 48 << 20
)

// state is what one process leaves to the next. Keys of credentials are not in it.
type state struct {
	Seen      proxyconfig.AsOf      `json:"seen"`
	Config    *proxyconfig.Config   `json:"config,omitempty"`
	Addresses []proxyconfig.Address `json:"addresses,omitempty"`
}

// restore takes in what a former process has left. What cannot be read is as good as nothing: it is said, and told anew.
func (c *Client) restore() {
	if c.options.StateDir == "" {
		return
	}
	path := filepath.Join(c.options.StateDir, stateFile)
	kept, err := readState(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.options.Log.Error(err, "The state of a former process is not usable, and is left aside", "file", path)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = kept.Seen
	c.config.current, c.config.good = kept.Config, kept.Config
	for _, a := range kept.Addresses {
		c.addresses.use(a.Address)
		c.addresses.tell(a.Address, a, 0)
	}
}

func readState(path string) (*state, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder := json.NewDecoder(io.LimitReader(file, maxState))
	decoder.DisallowUnknownFields()
	kept := &state{}
	if err := decoder.Decode(kept); err != nil {
		return nil, err
	}
	if kept.Config != nil && (kept.Config.Version < 1 || kept.Config.Version > proxyconfig.SchemaVersion) {
		return nil, fmt.Errorf("it has schema version %d; this proxy understands up to %d", kept.Config.Version, proxyconfig.SchemaVersion)
	}
	if len(kept.Addresses) > maxAddresses {
		return nil, fmt.Errorf("it has %d addresses; at most %d are kept", len(kept.Addresses), maxAddresses)
	}
	return kept, nil
}

// keep writes what was told, at most once in saveEvery, and what is left of it when ctx ends.
func (c *Client) keep(ctx context.Context) {
	if c.options.StateDir == "" {
		return
	}
	problem := ""
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-c.save:
			problem = c.store(problem)
			sleep(ctx, saveEvery)
		}
	}
	if len(c.save) > 0 {
		c.store(problem)
	}
}

// store writes the state, and logs a problem that is not the one before.
func (c *Client) store(before string) string {
	err := c.writeState()
	if err == nil {
		return ""
	}
	if err.Error() != before {
		c.options.Log.Info("What was told cannot be kept for the next process", "reason", err.Error())
	}
	return err.Error()
}

// writeState replaces the file as a whole: a process that ends half-way leaves the former one.
func (c *Client) writeState() error {
	raw, err := json.Marshal(c.snapshot())
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(c.options.StateDir, stateFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // is not there after the rename
	_, err = file.Write(raw)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(c.options.StateDir, stateFile))
}

// snapshot is what to keep: the configuration that was in force, and the answers, those used last at the end.
func (c *Client) snapshot() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := state{Seen: c.seen, Config: c.config.good}
	for place := c.addresses.order.Back(); place != nil; place = place.Prev() {
		if e := place.Value.(*entry[netip.AddrPort, proxyconfig.Address]); e.told {
			kept.Addresses = append(kept.Addresses, e.value)
		}
	}
	return kept
}
