package l4

import (
	"net/netip"
	"sync"
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// mostAffinities bounds the table. A workload that uses more addresses with affinity than that stays with the endpoints of
// those that it used last.
const mostAffinities = 4096

// affinity remembers which endpoint of an address was used last, for Services with ClientIP affinity. All connections of a
// workload have one client address, so that the address dialled is all there is to tell them apart by.
type affinity struct {
	mu   sync.Mutex
	used map[netip.AddrPort]use
}

type use struct {
	endpoint netip.AddrPort
	at       time.Time
}

// recall is the endpoint to stay with, if it was used within the Service's time.
func (a *affinity) recall(answer *proxyconfig.Address, dialled netip.AddrPort, now time.Time) (netip.AddrPort, bool) {
	if answer.AffinitySeconds <= 0 {
		return netip.AddrPort{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.used[dialled]
	if !ok || now.Sub(last.at) > time.Duration(answer.AffinitySeconds)*time.Second {
		return netip.AddrPort{}, false
	}
	return last.endpoint, true
}

// remember notes that an endpoint was connected to.
func (a *affinity) remember(answer *proxyconfig.Address, dialled, endpoint netip.AddrPort, now time.Time) {
	if answer.AffinitySeconds <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used == nil {
		a.used = map[netip.AddrPort]use{}
	}
	if _, known := a.used[dialled]; !known && len(a.used) >= mostAffinities {
		a.forgetOldest()
	}
	a.used[dialled] = use{endpoint: endpoint, at: now}
}

func (a *affinity) forgetOldest() {
	var oldest netip.AddrPort
	for dialled, u := range a.used {
		if !oldest.IsValid() || u.at.Before(a.used[oldest].at) {
			oldest = dialled
		}
	}
	delete(a.used, oldest)
}
