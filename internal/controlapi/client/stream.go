package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Bounds of connecting.
const (
	dialTimeout = 5 * time.Second
	// answerTimeout is how long the server may take to let a stream begin: it reviews a token and catches up.
	answerTimeout = wire.CatchUp + 10*time.Second
)

// errSilent ends a stream on which nothing comes.
var errSilent = fmt.Errorf("nothing was heard for %s", wire.Silence)

// errEnded is the end of a stream by the server, which does so when a token expires or a replica stops.
var errEnded = errors.New("the server has ended the stream")

// connect opens one stream and takes in what it tells, until it ends. The connection is made anew for each stream, so that
// its certificates are those of the moment.
func (c *Client) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	transport := c.transport()
	defer transport.CloseIdleConnections()

	body, asks := io.Pipe()
	// net/http notices the end of ctx only while it does not wait for more of the body.
	defer context.AfterFunc(ctx, func() { _ = asks.CloseWithError(context.Cause(ctx)) })()
	defer asks.Close()
	request, err := c.request(ctx, body)
	if err != nil {
		return err
	}
	watchdog := time.AfterFunc(dialTimeout+answerTimeout, func() { cancel(errSilent) })
	defer watchdog.Stop()
	hello := c.hello()
	go func() {
		if err := send(asks, hello); err != nil {
			cancel(fmt.Errorf("saying hello: %w", err))
		}
	}()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return cause(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	stream := c.opened()
	defer c.leave()
	go c.speak(ctx, cancel, asks)
	return cause(ctx, c.listen(stream, response.Body, watchdog))
}

// transport speaks HTTP/2 alone, with a server that has proved to be the control API.
func (c *Client) transport() *http.Transport {
	config := mtls.ClientConfig(c.options.Source, mtls.Verifier{Accept: mtls.OneOf(c.options.Server)})
	config.NextProtos = []string{"h2"}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	dialer := net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		Protocols: &protocols,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			conn, err := (&tls.Dialer{NetDialer: &dialer, Config: config}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn, nil
		},
		MaxResponseHeaderBytes: 16 << 10,
		HTTP2:                  &http.HTTP2Config{WriteByteTimeout: wire.Silence, MaxReceiveBufferPerStream: 1 << 20},
	}
}

// request is the one long request. It proves the pod by its token; the certificate proves only the ServiceAccount.
func (c *Client) request(ctx context.Context, body io.Reader) (*http.Request, error) {
	token, err := c.options.Token()
	if err != nil {
		return nil, fmt.Errorf("the pod's token: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.options.Address+wire.PathStream, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", wire.LinesType)
	return request, nil
}

// speak sends what there is to ask, whenever there is something.
func (c *Client) speak(ctx context.Context, cancel context.CancelCauseFunc, to io.Writer) {
	for {
		for ask, something := c.ask(); something; ask, something = c.ask() {
			if err := send(to, ask); err != nil {
				cancel(fmt.Errorf("asking: %w", err))
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
	}
}

func send(to io.Writer, ask proxyconfig.Ask) error {
	line, err := wire.Encode(ask)
	if err != nil {
		return err
	}
	_, err = to.Write(line)
	return err
}

// listen takes lines in until there are no more. A line that cannot be understood is rejected; the next one may be better.
func (c *Client) listen(stream uint64, from io.Reader, watchdog *time.Timer) error {
	lines := wire.NewLines(from, wire.MaxTell)
	for {
		watchdog.Reset(wire.Silence)
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return errEnded
		}
		if err != nil {
			return err
		}
		tell, err := wire.DecodeTell(line)
		if err == nil {
			err = c.check(tell)
		}
		switch {
		case err == nil:
			c.apply(stream, tell)
		case tell == nil || tell.Revision == 0:
			return fmt.Errorf("a line that is no Tell: %w", err)
		default:
			c.options.Log.Error(err, "Control API: a line was rejected, what was told before stays in force", "revision", tell.Revision)
			c.refuse(tell.Revision, err)
		}
	}
}

// check refuses a configuration that is not for this program, or not for this workload.
func (c *Client) check(tell *proxyconfig.Tell) error {
	config := tell.Config
	if config == nil {
		return nil
	}
	if config.Version < 1 || config.Version > proxyconfig.SchemaVersion {
		return fmt.Errorf("configuration has schema version %d; this proxy understands up to %d", config.Version, proxyconfig.SchemaVersion)
	}
	return nil
}

// refusal is the error in an answer that is none.
func refusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, wire.MaxError))
	if err != nil {
		return fmt.Errorf("refused with status %d", response.StatusCode)
	}
	var said wire.Refusal
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		return fmt.Errorf("refused with status %d", response.StatusCode)
	}
	return fmt.Errorf("refused with status %d: %s", response.StatusCode, clip(said.Error))
}

// cause is why ctx was cancelled, where it was, else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// same says whether two pieces of what was told say the same.
func same[T any](a, b *T) bool {
	return a == b || a != nil && b != nil && reflect.DeepEqual(a, b)
}
