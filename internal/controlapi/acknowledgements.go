package controlapi

import (
	"encoding/json"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// acknowledgements tells another replica what this one's proxies have in force.
func (s *Server) acknowledgements(w http.ResponseWriter, _ *http.Request, _ identity.ID) error {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.Acknowledgements()) // the other replica sees that it is cut off
	return nil
}

// Acknowledgements are what this replica's proxies have in force.
func (s *Server) Acknowledgements() wire.Acknowledgements {
	// Before the sessions are asked: what a session does not have to tell of by then, it has told.
	observed := s.options.Feed.AsOf()
	out := wire.Acknowledgements{Replica: s.replica, Observed: observed, Proxies: map[string]wire.Acknowledgement{}}
	for _, session := range s.hub.all() {
		inForce, rejected := session.acknowledgement(observed)
		out.Proxies[proxyKey(session.pod, session.uid)] = wire.Acknowledgement{InForce: inForce, Rejected: rejected}
	}
	return out
}

// proxyKey names a pod for good.
func proxyKey(pod types.NamespacedName, uid string) string { return pod.String() + "/" + uid }

// merge is what several replicas say of the same proxies. A proxy that two know has changed over, and one of them does not
// know of its end yet: then the lesser holds.
func merge(from ...wire.Acknowledgements) map[string]wire.Acknowledgement {
	out := map[string]wire.Acknowledgement{}
	for _, replica := range from {
		for proxy, ack := range replica.Proxies {
			if other, both := out[proxy]; both {
				ack.InForce = lesser(ack.InForce, other.InForce)
				if ack.Rejected == "" {
					ack.Rejected = other.Rejected
				}
			}
			out[proxy] = ack
		}
	}
	return out
}

// lesser is what both have seen.
func lesser(a, b proxyconfig.AsOf) proxyconfig.AsOf {
	out := proxyconfig.AsOf{}
	for kind, version := range a {
		if other := min(version, b[kind]); other > 0 {
			out[kind] = other
		}
	}
	return out
}
