package redirect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/warifu/warifu/internal/naming"
)

// Verify proves that the redirect is in place in this network namespace: as naming.ProxyUID it asks a port of the pod where
// nothing listens, and gets the answer of the proxy's own naming.PortAdmin, which must be up. ctx bounds the time.
func Verify(ctx context.Context, podIP netip.Addr) error {
	if err := verify(ctx, podIP); err != nil {
		return fmt.Errorf("the redirect is not in place in this pod, its traffic would pass by the proxy: "+
			"look at the log of the init container %s: %w", naming.ContainerRedirect, err)
	}
	return nil
}

func verify(ctx context.Context, podIP netip.Addr) error {
	host := net.JoinHostPort(podIP.String(), strconv.Itoa(naming.PortRedirectTest))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+naming.PathRedirect, http.NoBody)
	if err != nil {
		return err
	}
	// No proxy of the environment, and no connection that outlives the question.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request) //nolint:gosec // an address of the pod's own
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(len(naming.RedirectProof))+1))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || string(body) != naming.RedirectProof {
		return fmt.Errorf("%s answered %s, %q: something other than the proxy listens there", host, response.Status, body)
	}
	return nil
}
