package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/warifu/warifu/internal/naming"
)

// AwaitStarted waits until the proxy has passed its startup probe; without a proxy there is nothing to wait for. The error has
// the proxy's output.
func (p *Pod) AwaitStarted(ctx context.Context) error {
	proxy := p.Proxy()
	if proxy == nil {
		return nil
	}
	container := p.find(naming.ContainerProxy)
	if container.StartupProbe == nil || container.StartupProbe.HTTPGet == nil {
		return fmt.Errorf("%s: its proxy has no startup probe over HTTP", p.name())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-proxy.Done():
			cancel(errors.New("the proxy has ended"))
		case <-stop:
		}
	}()
	get := container.StartupProbe.HTTPGet
	err := until(ctx, func() error { return p.Probe(ctx, get.Port.IntValue(), get.Path) })
	if err != nil {
		return fmt.Errorf("%s: its proxy has not started: %w\n%s%s", p.name(), err, proxy.Stdout(), proxy.Stderr())
	}
	return nil
}

// Probe asks the pod, from its node, as a probe over HTTP does: every status below 400 is good.
func (p *Pod) Probe(ctx context.Context, port int, path string) error {
	url := "http://" + net.JoinHostPort(p.Net.IPv4.String(), strconv.Itoa(port)) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: p.node.options.Network.DialContext, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	const enough = 1000
	body, err := io.ReadAll(io.LimitReader(response.Body, enough))
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s answered %s: %s", url, response.Status, body)
	}
	return err
}
