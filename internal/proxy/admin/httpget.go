package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

const (
	// maxProbeBody is how much of an answer is waited for, in bytes, as kubelet does.
	maxProbeBody = 10 << 10
	maxProbeHead = 64 << 10
	// maxRedirects is kubelet's.
	maxRedirects = 10
)

func (p *prober) newHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            p.dialer.DialContext,
			TLSClientConfig:        mtls.UnverifiedClientConfig(),
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxProbeHead,
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true, // a probe asks whether connections are accepted
			DisableCompression:     true,
		},
		CheckRedirect: p.checkRedirect,
	}
}

// checkRedirect follows redirects within the host only, as kubelet does, and never to the proxy itself. One that is not
// followed is an answer like any other.
func (p *prober) checkRedirect(to *http.Request, via []*http.Request) error {
	if to.URL.Hostname() != via[0].URL.Hostname() || p.proxyAnswersAt(to.URL.Hostname(), to.URL.Port()) {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	return nil
}

func (p *prober) httpGet(ctx context.Context, probe *proxyconfig.HTTPProbe, userAgent string) (result, error) {
	address, err := p.address(probe.Host, probe.Port)
	if err != nil {
		return result{}, err
	}
	target, err := url.Parse(probe.Path)
	if err != nil {
		target = &url.URL{Path: probe.Path} // kubelet asks for it all the same
	}
	target.Scheme, target.Host, target.User = strings.ToLower(probe.Scheme), address, nil
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return result{}, err
	}
	setHeader(request, probe.Headers, userAgent)
	response, err := p.http.Do(request)
	if err != nil {
		return result{}, withoutURL(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxProbeBody)); err != nil {
		return result{}, withoutURL(err)
	}
	return judge(response.StatusCode), nil
}

// judge takes 200 to 399 for success. Of the rest, what kubelet would not see as a failure of HTTP becomes one.
func judge(status int) result {
	r := result{status: status, text: fmt.Sprintf("the application answered %d", status)}
	r.failed = status < 200 || status >= 400
	if status < 400 || status > 599 {
		r.status = http.StatusBadGateway
	}
	return r
}

// setHeader sets what the probe says, and for what it does not say the same as kubelet: its own User-Agent, which it has sent
// to us, and Accept. An empty value leaves the header out.
func setHeader(r *http.Request, headers []proxyconfig.Header, userAgent string) {
	for _, h := range headers {
		if strings.EqualFold(h.Name, "Host") {
			r.Host = h.Value
			continue
		}
		r.Header.Add(h.Name, h.Value)
	}
	for name, value := range map[string]string{"User-Agent": userAgent, "Accept": "*/*"} {
		if _, set := r.Header[name]; !set {
			r.Header.Set(name, value)
		}
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Del("Accept")
	}
}

// withoutURL leaves out what was asked for: the answer goes to whoever asked.
func withoutURL(err error) error {
	if asked := (*url.Error)(nil); errors.As(err, &asked) {
		return asked.Err
	}
	return err
}
