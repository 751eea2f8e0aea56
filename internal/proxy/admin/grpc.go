package admin

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// The health service of gRPC is one call with a message of one field each way: it is spoken here by hand over HTTP/2, since
// the gRPC library would be most of the proxy.
const (
	healthMethod = "/grpc.health.v1.Health/Check"
	// maxHealth is the longest answer that is read, in bytes.
	maxHealth = 4 << 10
	// serving is SERVING of HealthCheckResponse.ServingStatus.
	serving = 1
	// Keys of field 1 in protobuf: as a string and as a number.
	keyService = 1<<3 | 2
	keyStatus  = 1 << 3
)

func (p *prober) newGRPC() *http.Client {
	var http2 http.Protocols
	http2.SetUnencryptedHTTP2(true)
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            p.dialer.DialContext,
			Protocols:              &http2,
			MaxResponseHeaderBytes: maxProbeHead,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p *prober) grpcHealth(ctx context.Context, probe *proxyconfig.GRPCProbe, userAgent string) (result, error) {
	address, err := p.address("", probe.Port)
	if err != nil {
		return result{}, err
	}
	body := bytes.NewReader(healthRequest(probe.Service))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+healthMethod, body)
	if err != nil {
		return result{}, err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	request.Header.Set("User-Agent", userAgent)
	response, err := p.grpc.Do(request)
	if err != nil {
		return result{}, withoutURL(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return result{}, withoutURL(err)
	}
	return judgeHealth(response, answer)
}

// judgeHealth reads the answer; trailers are there after the body.
func judgeHealth(response *http.Response, answer []byte) (result, error) {
	status := response.Trailer.Get("Grpc-Status")
	if status == "" {
		status = response.Header.Get("Grpc-Status") // an answer without a message has it in its head
	}
	if response.StatusCode != http.StatusOK || status != "0" {
		return result{}, fmt.Errorf("the application's health service answered HTTP %d, gRPC status %.20q", response.StatusCode, status)
	}
	state, err := healthStatus(answer)
	if err != nil {
		return result{}, fmt.Errorf("the application's health service: %w", err)
	}
	r := result{failed: state != serving, status: http.StatusServiceUnavailable, text: fmt.Sprintf("the application's health is %d (1 is SERVING)", state)}
	return r, nil
}

// healthRequest is a HealthCheckRequest in a gRPC message: not compressed, length, bytes.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = binary.AppendUvarint([]byte{keyService}, uint64(len(service)))
		message = append(message, service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

var errHealth = errors.New("the answer is no HealthCheckResponse")

// healthStatus reads the status of a HealthCheckResponse. A message without one has 0, which is UNKNOWN.
func healthStatus(answer []byte) (uint64, error) {
	const prefix = 5
	if len(answer) < prefix || answer[0] != 0 || int(binary.BigEndian.Uint32(answer[1:])) != len(answer)-prefix {
		return 0, errHealth
	}
	message := answer[prefix:]
	if len(message) == 0 {
		return 0, nil
	}
	status, n := binary.Uvarint(message[1:])
	if message[0] != keyStatus || n <= 0 || 1+n != len(message) {
		return 0, errHealth
	}
	return status, nil
}
