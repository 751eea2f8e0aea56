package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// dialTimeout bounds the dialling of a hook, which has no limit of its own.
const dialTimeout = 30 * time.Second

// result is how the application answered.
type result struct {
	// failed with the status to pass on; it is one that kubelet takes for a failure.
	failed bool
	status int
	// text for people, of our own words.
	text string
}

// prober does what kubelet would do, from inside the pod: it dials the pod's own address, where the application listens and
// where the redirect leaves the proxy alone. A host that the probe names is dialled as kubelet would; it comes from the spec
// of the pod, whose author can dial it anyway.
type prober struct {
	own    []netip.Addr
	dialer net.Dialer
	http   *http.Client
	grpc   *http.Client
}

func newProber(own []netip.Addr) *prober {
	p := &prober{own: own, dialer: net.Dialer{Timeout: dialTimeout}}
	p.http, p.grpc = p.newHTTP(), p.newGRPC()
	return p
}

// carryOut returns how the application answered; an error says that and why it did not.
func (p *prober) carryOut(ctx context.Context, probe proxyconfig.Probe, userAgent string) (result, error) {
	switch {
	case probe.HTTPGet != nil:
		return p.httpGet(ctx, probe.HTTPGet, userAgent)
	case probe.TCPSocket != nil:
		return p.tcpSocket(ctx, probe.TCPSocket)
	case probe.GRPC != nil:
		return p.grpcHealth(ctx, probe.GRPC, userAgent)
	}
	return result{}, errors.New("the probe says nothing to do")
}

func (p *prober) tcpSocket(ctx context.Context, probe *proxyconfig.TCPProbe) (result, error) {
	address, err := p.address(probe.Host, probe.Port)
	if err != nil {
		return result{}, err
	}
	conn, err := p.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return result{}, err
	}
	_ = conn.Close()
	return result{text: "connected"}, nil
}

// address to dial. The proxy does not probe itself: two probes that name each other's path here would never end.
func (p *prober) address(host string, port int32) (string, error) {
	if host == "" {
		if len(p.own) == 0 {
			return "", errors.New("the pod's address is not known")
		}
		host = p.own[0].String()
	}
	if p.proxyAnswersAt(host, strconv.Itoa(int(port))) {
		return "", fmt.Errorf("port %d is the proxy's own: probe a port of the application", port)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port))), nil
}

// proxyAnswersAt tells the ports at which the proxy would be asked instead of the application.
func (p *prober) proxyAnswersAt(host, port string) bool {
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil || !slices.Contains(naming.ReservedPorts(), int32(number)) {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err != nil || address.IsLoopback() || address.IsUnspecified() || slices.Contains(p.own, address.Unmap())
}
