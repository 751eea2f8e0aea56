package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	discoveryv1 "k8s.io/api/discovery/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/controlapi"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

// addControl serves proxies on every replica. The census tells the leader what the proxies of all replicas have in force.
func addControl(mgr ctrl.Manager, c Config, index *policy.Index, feed *controllers.IndexFeed) (*controlapi.Census, error) {
	own, err := c.controlIdentity()
	if err != nil {
		return nil, err
	}
	log := mgr.GetLogger().WithName("control")
	source := controlapi.NewIdentitySource(mgr.GetClient(), own)
	server := controlapi.NewServer(controlapi.Options{
		Address:  net.JoinHostPort(c.Control.Host, strconv.Itoa(c.Control.Port)),
		Identity: own, Source: source, Index: index, Feed: feed,
		API: mgr.GetClient(), Secrets: mgr.GetAPIReader(), Log: log,
	})
	census := controlapi.NewCensus(controlapi.CensusOptions{
		Local: server, Identity: own, Source: source, Log: log,
		Replicas: func(ctx context.Context) ([]string, error) { return controlReplicas(ctx, mgr.GetClient(), c.Namespace) },
	})
	return census, errors.Join(mgr.Add(server), mgr.Add(census), mgr.AddReadyzCheck("control", server.Ready))
}

// controlReplicas are the addresses behind the control API's Service, ready or not: a replica that has just started may have
// proxies already.
func controlReplicas(ctx context.Context, reader client.Reader, namespace string) ([]string, error) {
	var slices discoveryv1.EndpointSliceList
	err := reader.List(ctx, &slices, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: naming.ServiceControl})
	if err != nil {
		return nil, fmt.Errorf("replicas of the control API: %w", err)
	}
	var out []string
	for _, slice := range slices.Items {
		for _, port := range slice.Ports {
			if port.Port == nil {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				for _, address := range endpoint.Addresses {
					out = append(out, net.JoinHostPort(address, strconv.Itoa(int(*port.Port))))
				}
			}
		}
	}
	return out, nil
}

// controlIdentity is what the control API proves: the operator's own ServiceAccount.
func (c Config) controlIdentity() (identity.ID, error) {
	id, err := identity.New(identity.TrustDomain(c.TrustDomain), c.Namespace, naming.ServiceAccountOperator)
	if err != nil {
		return identity.ID{}, fmt.Errorf("identity of the control API: %w", err)
	}
	return id, nil
}

// controlAddress is where proxies find the control API.
func (c Config) controlAddress() string {
	return cmp.Or(c.Control.Address, net.JoinHostPort(naming.ServiceControl+"."+c.Namespace+".svc", strconv.Itoa(naming.PortControl)))
}
