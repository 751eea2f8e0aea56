package netns

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// exchangeTimeout is how long an exchange may take. Those that are refused end at once.
const exchangeTimeout = 20 * time.Second

// exchanges are how an application speaks each protocol, and its port. The result is what the server's application saw.
var exchanges = map[string]struct {
	port     uint16
	exchange func(ctx context.Context, from *kubelet.Pod, address string) (seen, error)
}{
	"http/1.1":     {appHTTP, exchangeHTTP(false)},
	"http/2":       {appHTTP, exchangeHTTP(true)},
	"grpc":         {appHTTP, exchangeGRPC},
	"websocket":    {appHTTP, exchangeWebSocket},
	"tls":          {appTLS, exchangeTLS},
	"tcp":          {appTell, exchangeTCP},
	"server-first": {appGreet, exchangeServerFirst},
}

func exchangeHTTP(http2 bool) func(context.Context, *kubelet.Pod, string) (seen, error) {
	return func(ctx context.Context, from *kubelet.Pod, address string) (seen, error) {
		client := httpClient(from, http2)
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", http.NoBody)
		if err != nil {
			return seen{}, err
		}
		response, err := client.Do(request)
		if err != nil {
			return seen{}, err
		}
		got, err := readSeen(response)
		if err == nil && (got.Proto == "HTTP/2.0") != http2 {
			err = fmt.Errorf("the application was spoken to in %s", got.Proto)
		}
		return got, err
	}
}

func readSeen(response *http.Response) (got seen, err error) {
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return got, fmt.Errorf("status %d", response.StatusCode)
	}
	return got, json.NewDecoder(response.Body).Decode(&got)
}

func exchangeGRPC(ctx context.Context, from *kubelet.Pod, address string) (seen, error) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return from.Net.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		return seen{}, err
	}
	defer conn.Close()
	var header metadata.MD
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header))
	if err != nil {
		return seen{}, err
	}
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return seen{}, fmt.Errorf("the application says %s", answer.GetStatus())
	}
	layers, err := strconv.Atoi(strings.Join(header.Get(headerLayers), ""))
	return seen{XFCC: header.Get(headerXFCC), Layers: layers}, err
}

func exchangeWebSocket(ctx context.Context, from *kubelet.Pod, address string) (seen, error) {
	conn, err := dialExchange(ctx, from, address)
	if err != nil {
		return seen{}, err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /upgrade HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", address)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return seen{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return seen{}, fmt.Errorf("status %d", response.StatusCode)
	}
	const frame = "\x81\x05hello"
	if _, err := io.WriteString(conn, frame); err != nil {
		return seen{}, err
	}
	back := make([]byte, len(frame))
	if _, err := io.ReadFull(reader, back); err != nil {
		return seen{}, err
	}
	if string(back) != frame {
		return seen{}, fmt.Errorf("the frame came back as %q", back)
	}
	layers, err := strconv.Atoi(response.Header.Get(headerLayers))
	return seen{XFCC: response.Header.Values(headerXFCC), Layers: layers}, err
}

// exchangeTLS is an application that does TLS itself.
func exchangeTLS(ctx context.Context, from *kubelet.Pod, address string) (seen, error) {
	conn, err := dialExchange(ctx, from, address)
	if err != nil {
		return seen{}, err
	}
	defer conn.Close()
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: appName})
	if err := secure.HandshakeContext(ctx); err != nil {
		return seen{}, err
	}
	fmt.Fprintf(secure, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", appName)
	response, err := http.ReadResponse(bufio.NewReader(secure), nil)
	if err != nil {
		return seen{}, err
	}
	got, err := readSeen(response)
	got.Layers-- // its own
	return got, err
}

func exchangeTCP(ctx context.Context, from *kubelet.Pod, address string) (got seen, err error) {
	conn, err := dialExchange(ctx, from, address)
	if err != nil {
		return got, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "tell\n"); err != nil {
		return got, err
	}
	return got, json.NewDecoder(conn).Decode(&got)
}

func exchangeServerFirst(ctx context.Context, from *kubelet.Pod, address string) (seen, error) {
	conn, err := dialExchange(ctx, from, address)
	if err != nil {
		return seen{}, err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	const hello = "hello\r\n"
	first, err := reader.ReadString('\n')
	if err != nil {
		return seen{}, err
	}
	if _, err := io.WriteString(conn, hello); err != nil {
		return seen{}, err
	}
	second, err := reader.ReadString('\n')
	if err == nil && first+second != greeting+hello {
		err = fmt.Errorf("the server said %q and %q", first, second)
	}
	return seen{}, err
}

// dialExchange opens a connection on which nobody waits for ever.
func dialExchange(ctx context.Context, from *kubelet.Pod, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, err
	}
	conn, err := from.Net.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(exchangeTimeout)
	}
	return conn, conn.SetDeadline(deadline)
}
