package controlapi

import (
	"errors"
	"net/netip"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/policy"
)

// errReplaced ends a stream whose proxy has opened another.
var errReplaced = errors.New("the pod's proxy has opened another stream")

// hub knows every session, and which of them a change of the index concerns.
//
// Lock order: the hub's before a session's.
type hub struct {
	mu       sync.Mutex
	sessions map[types.NamespacedName]*session
	// services and addresses find who watches an address whose answer depends on them; services are namespace/name.
	services  map[string]map[watch]struct{}
	addresses map[netip.Addr]map[watch]struct{}
}

// watch is an address that a session watches.
type watch struct {
	session *session
	address netip.AddrPort
}

func newHub() *hub {
	return &hub{
		sessions:  map[types.NamespacedName]*session{},
		services:  map[string]map[watch]struct{}{},
		addresses: map[netip.Addr]map[watch]struct{}{},
	}
}

// add takes in the newest session of a pod; an older one ends.
func (h *hub) add(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.sessions[s.pod]; old != nil {
		old.end(errReplaced)
	}
	h.sessions[s.pod] = s
}

// remove forgets a session and all that it watches.
func (h *hub) remove(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.pod] == s {
		delete(h.sessions, s.pod)
	}
	for address, t := range s.close() {
		w := watch{s, address}
		unlink(h.addresses, address.Addr(), w)
		unlink(h.services, t.service, w)
	}
}

// watchAddress has a session hear of changes that concern an address itself.
func (h *hub) watchAddress(s *session, address netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	link(h.addresses, address.Addr(), watch{s, address})
}

// watchService has a session hear of changes of the Service that an answer named, and not of the one before.
func (h *hub) watchService(s *session, address netip.AddrPort, before, now string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	unlink(h.services, before, watch{s, address})
	if now != "" {
		link(h.services, now, watch{s, address})
	}
}

// forget ends both.
func (h *hub) forget(s *session, address netip.AddrPort, service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	unlink(h.addresses, address.Addr(), watch{s, address})
	unlink(h.services, service, watch{s, address})
}

// mark tells the sessions that a change concerns. It runs in an informer and works nothing out.
func (h *hub) mark(c policy.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.AllWorkloads || c.AllDestinations {
		for _, s := range h.sessions {
			s.mark(c.AllWorkloads, c.AllDestinations)
		}
	}
	if !c.AllWorkloads {
		for _, name := range c.Workloads {
			if s := h.sessions[name]; s != nil {
				s.mark(true, true)
			}
		}
	}
	if c.AllDestinations {
		return
	}
	for _, name := range c.Services {
		for w := range h.services[name.String()] {
			w.session.markAddress(w.address)
		}
	}
	for _, address := range c.Addresses {
		for w := range h.addresses[address] {
			w.session.markAddress(w.address)
		}
	}
}

// all are the sessions of the moment.
func (h *hub) all() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*session, 0, len(h.sessions))
	for _, s := range h.sessions {
		out = append(out, s)
	}
	return out
}

func link[K comparable](table map[K]map[watch]struct{}, key K, w watch) {
	set := table[key]
	if set == nil {
		set = map[watch]struct{}{}
		table[key] = set
	}
	set[w] = struct{}{}
}

func unlink[K comparable](table map[K]map[watch]struct{}, key K, w watch) {
	set := table[key]
	delete(set, w)
	if len(set) == 0 {
		delete(table, key)
	}
}
