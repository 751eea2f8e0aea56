package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/controlapi/client"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/admin"
	"github.com/warifu/warifu/internal/proxy/certs"
	"github.com/warifu/warifu/internal/proxy/http"
	"github.com/warifu/warifu/internal/proxy/l4"
	"github.com/warifu/warifu/internal/proxy/redirect"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/version"
)

// process is one workload's data plane with all it needs.
type process struct {
	settings  Settings
	log       logr.Logger
	addresses []netip.Addr
	source    *mtls.FileSource

	recorder *telemetry.Recorder
	control  *client.Client
	workload *l4.Workload
	handover *handover
	admin    *admin.Server

	// stage is what the process waits for, "" when it is ready.
	stage atomic.Value
	// metricsFrom are the sources that the configuration in force lets read the metrics.
	metricsFrom atomic.Pointer[[]netip.Prefix]
	// configured is closed when a first configuration is in force.
	configured  chan struct{}
	onConfigure sync.Once
}

func newProcess(settings Settings, out Output, source *mtls.FileSource, addresses []netip.Addr) *process {
	p := &process{
		settings: settings, log: out.Log, addresses: addresses, source: source,
		recorder:   telemetry.New(telemetry.Options{Log: out.Access}),
		configured: make(chan struct{}),
	}
	p.waitsFor("its start")
	p.control = client.New(client.Options{
		Address: settings.ControlAddress, Server: settings.ControlIdentity, Source: source,
		Token:   func() (string, error) { return readToken(settings.at(naming.TokenDir)) },
		Version: version.String(), StateDir: settings.at(naming.StateDir), Log: out.Log.WithName("control"),
		Report: p.recorder.ControlConnected,
	})
	clients := certs.NewClients(certs.Options{
		Volumes: settings.at(naming.VolumesDir), Credentials: p.control,
		Report: reportTo(out.Log, "A DestinationRule's TLS material cannot be used, and stays as it was"),
	})
	dial := newDialer()
	sessions := http.NewServer(http.Options{
		Identity: settings.Identity.String(), Dial: dial, Telemetry: p.recorder,
		Decide:       func(r authz.Request) authz.Decision { return p.workload.Decide(r) },
		ReadsHeaders: func() bool { return p.workload.ReadsHeaders() },
	})
	p.workload = l4.New(l4.Options{
		Source: source, OriginalDestination: originalDestination, Dial: dial,
		Lookup: lookup{p.control}, ClientTLS: clients.ClientTLS, Telemetry: p.recorder,
		OpenHTTP: func(c http.Connection) l4.Session { return sessions.Open(c) },
		Own:      func(a netip.Addr) bool { return slices.Contains(addresses, a) },
	})
	p.handover = newHandover(out.Log, p.workload.MakeWay)
	p.admin = admin.New(admin.Options{
		Addresses: addresses, Probes: settings.Probes, Ready: p.ready, Metrics: p.recorder.Handler(),
		MetricsFrom: func() []netip.Prefix {
			if from := p.metricsFrom.Load(); from != nil {
				return *from
			}
			return nil
		},
	})
	return p
}

func (p *process) waitsFor(what string) { p.stage.Store(what) }

func (p *process) waiting() string { return p.stage.Load().(string) }

// ready is what kubelet is told.
func (p *process) ready() error {
	if waiting := p.waiting(); waiting != "" {
		return errors.New("the proxy waits for " + waiting)
	}
	return nil
}

// followConfig puts every configuration in force and reports it.
func (p *process) followConfig(ctx context.Context) {
	var last *proxyconfig.Config
	for ctx.Err() == nil {
		config, changed := p.control.Config()
		if config != nil && config != last {
			last = config
			p.putInForce(config)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// putInForce has open connections decided again by a configuration, too. One that cannot be put in force leaves the one
// before it.
func (p *process) putInForce(config *proxyconfig.Config) {
	err := error(nil)
	if own := p.settings.Identity.String(); config.Identity != own {
		err = fmt.Errorf("the configuration is that of %s, and this workload is %s", config.Identity, own)
	} else {
		err = p.workload.SetConfig(config)
	}
	if err != nil {
		p.log.Info("A configuration cannot be put in force; the one before it still is", "reason", err.Error())
		p.control.Reject(config, err)
		return
	}
	p.metricsFrom.Store(&config.Telemetry.MetricsFrom)
	p.recorder.Sample(config.Telemetry.AccessLogPercent)
	p.recorder.ConfigInForce(time.Now())
	p.control.Ack(config)
	p.onConfigure.Do(func() { close(p.configured) })
}

// followAnswers decides about open connections again when what was told about an address or a credential has changed.
func (p *process) followAnswers(ctx context.Context) {
	for replaced := p.control.Replaced(); ; replaced = p.control.Replaced() {
		select {
		case <-ctx.Done():
			return
		case <-replaced:
		}
		p.workload.Recheck()
	}
}

// identityChanged follows the renewal of the certificate and every change of trust.
func (p *process) identityChanged(material *mtls.Material) {
	if leaf := material.Certificate.Leaf; leaf != nil {
		p.recorder.CertificateExpires(leaf.NotAfter)
	}
	p.workload.Recheck()
	p.handover.renewed(material)
}

// lookup asks the control API about addresses.
type lookup struct{ control *client.Client }

// Address implements l4.Lookup. The last known answer is as good as a new one while nobody can be asked.
func (l lookup) Address(ctx context.Context, address netip.AddrPort) (proxyconfig.Address, error) {
	answer, err := l.control.Address(ctx, address)
	return answer.Address, err
}

// newDialer dials as the proxy's user, whose connections are not redirected.
func newDialer() func(context.Context, netip.AddrPort) (net.Conn, error) {
	var dialer net.Dialer
	dialer.SetMultipathTCP(false)
	return func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", to.String())
	}
}

func originalDestination(conn net.Conn) (netip.AddrPort, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%T is not a TCP connection", conn)
	}
	return redirect.OriginalDestination(tcp)
}

// readToken reads the pod's token, which kubelet replaces.
func readToken(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, naming.FileToken))
	return strings.TrimSpace(string(raw)), err
}
