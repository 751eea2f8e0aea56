package controlapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Limits of one session. New addresses beyond watchBurst, which is what a proxy watches anew on a new stream, come at
// watchRate a second: more than that is no application but a scan.
const (
	maxWatched     = 4096
	maxCredentials = 64
	watchRate      = rate.Limit(20)
	watchBurst     = 1100
)

// session is what one stream has been told, and what has changed since. It holds each thing once, however often it changed.
type session struct {
	pod      types.NamespacedName
	uid      string
	identity identity.ID
	end      context.CancelCauseFunc
	limiter  *rate.Limiter
	// asked and changed wake the stream: at once, and after more changes could come. credentialsAsked wakes whoever reads Secrets.
	asked, changed, credentialsAsked chan struct{}

	mu sync.Mutex
	// config is to be compiled; stale addresses are to be looked up; new ones wait for their turn.
	config bool
	stale  map[netip.AddrPort]struct{}
	fresh  []netip.AddrPort
	// working says that what was marked is being worked out and sent.
	working bool
	// watched are the addresses, and what was told of them.
	watched map[netip.AddrPort]told
	// credentials are those asked for, and what is told of them, nil at first; unsent are those to tell of.
	credentials map[string]*proxyconfig.Credential
	unsent      map[string]struct{}
	receipt     receipt
}

// told is what a session was told about an address; the zero value is nothing yet.
type told struct {
	sum [sha256.Size]byte
	// linked says that the hub knows of it.
	linked bool
	// service that the answer named, and the credentials.
	service     string
	credentials []string
}

func newSession(who bearer, id identity.ID, end context.CancelCauseFunc) *session {
	return &session{
		pod: who.pod, uid: who.uid, identity: id, end: end,
		limiter: rate.NewLimiter(watchRate, watchBurst),
		asked:   make(chan struct{}, 1), changed: make(chan struct{}, 1), credentialsAsked: make(chan struct{}, 1),
		config: true, stale: map[netip.AddrPort]struct{}{}, watched: map[netip.AddrPort]told{},
		credentials: map[string]*proxyconfig.Credential{}, unsent: map[string]struct{}{},
	}
}

// mark notes that the configuration, or every answer, may have changed.
func (s *session) mark(config, addresses bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = s.config || config
	if addresses {
		for address := range s.watched {
			s.stale[address] = struct{}{}
		}
	}
	raise(s.changed)
}

// markAddress notes that an answer may have changed.
func (s *session) markAddress(address netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, watched := s.watched[address]; watched {
		s.stale[address] = struct{}{}
		raise(s.changed)
	}
}

// take takes in a line of the proxy. What it forgets comes first: an address in both lists is told anew.
func (s *session) take(h *hub, ask *proxyconfig.Ask) error {
	for _, address := range ask.Forget {
		address = plain(address)
		if t, watched := s.drop(address); watched {
			h.forget(s, address, t.service)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, address := range ask.Watch {
		if address.IsValid() {
			s.fresh = append(s.fresh, plain(address))
		}
	}
	for _, name := range ask.ForgetCredentials {
		delete(s.credentials, name)
		delete(s.unsent, name)
	}
	for _, name := range ask.WatchCredentials {
		s.credentials[name] = nil // whoever asks is told, even again
		delete(s.unsent, name)
	}
	if len(s.watched)+len(s.fresh) > maxWatched || len(s.credentials) > maxCredentials {
		return fmt.Errorf("the proxy watches more than %d addresses or %d credentials", maxWatched, maxCredentials)
	}
	if len(ask.WatchCredentials) > 0 {
		raise(s.credentialsAsked)
	}
	s.receipt.take(ask)
	raise(s.asked)
	return nil
}

// plain is the one form of an address.
func plain(address netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(address.Addr().Unmap().WithZone(""), address.Port())
}

// drop forgets an address.
func (s *session) drop(address netip.AddrPort) (told, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, waiting := range s.fresh {
		if waiting == address {
			s.fresh = append(s.fresh[:i:i], s.fresh[i+1:]...)
			break
		}
	}
	t, watched := s.watched[address]
	delete(s.watched, address)
	delete(s.stale, address)
	return t, watched
}

// close ends the session for the hub, which unlinks what it watched.
func (s *session) close() map[netip.AddrPort]told {
	s.mu.Lock()
	defer s.mu.Unlock()
	watched := s.watched
	s.watched, s.stale = map[netip.AddrPort]told{}, map[netip.AddrPort]struct{}{}
	return watched
}

// work is what a stream has to work out and to tell.
type work struct {
	config      bool
	addresses   []netip.AddrPort
	credentials []proxyconfig.Credential
	// more says that there is more than the limits allow now.
	more bool
}

// begin takes what there is to do; until finished, the session counts as behind.
func (s *session) begin() work {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := work{config: s.config}
	s.config, s.working = false, true
	for address := range s.stale {
		w.addresses = append(w.addresses, address)
	}
	clear(s.stale)
	for len(s.fresh) > 0 && s.limiter.Allow() {
		address := s.fresh[0]
		s.fresh = s.fresh[1:]
		t := s.watched[address]
		t.sum = [sha256.Size]byte{} // whoever asks is told, even again
		s.watched[address] = t
		w.addresses = append(w.addresses, address)
	}
	w.more = len(s.fresh) > 0
	for name := range s.unsent {
		w.credentials = append(w.credentials, *s.credentials[name])
	}
	clear(s.unsent)
	return w
}

// finish ends what begin began.
func (s *session) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working = false
}

// sending counts a line that is to be acknowledged.
func (s *session) sending(config bool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.receipt.send(config)
}

// before is what was told about an address; false where nobody watches it any more.
func (s *session) before(address netip.AddrPort) (told, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, watched := s.watched[address]
	return t, watched
}

// tell notes an answer; false where nobody watches the address any more.
func (s *session) tell(address netip.AddrPort, t told) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, watched := s.watched[address]; !watched {
		return false
	}
	s.watched[address] = t
	return true
}

// acknowledgement is what the proxy has in force, given what the replica's index had taken in before it was asked.
func (s *session) acknowledgement(observed proxyconfig.AsOf) (inForce proxyconfig.AsOf, rejected string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	behind := s.config || s.working || len(s.stale) > 0
	return s.receipt.inForce(behind, observed)
}

// raise wakes whoever waits on a channel of capacity 1.
func raise(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
