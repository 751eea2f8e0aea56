package netns

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// calls are gRPC's own client and server, with two proxies between them and with one.
func (s *shop) calls(t *testing.T) {
	s.settle(t)
	for name, from := range map[string]*kubelet.Pod{"orders": s.orders, "stranger": s.stranger} {
		t.Run(name, func(t *testing.T) {
			client := s.caller(t, from)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			ctx = metadata.AppendToOutgoingContext(ctx, echoInHeader, "first", echoInTrailer, "\x00last\xff")
			s.unary(ctx, t, client, from == s.orders)
			s.fullDuplex(ctx, t, client)
		})
	}
	t.Run("denied", s.callDenied)
}

func (s *shop) caller(t *testing.T, from *kubelet.Pod) testgrpc.TestServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+netip.AddrPortFrom(s.address, appGRPC).String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return from.Net.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return testgrpc.NewTestServiceClient(conn)
}

// checkEchoes: metadata passes both ways, in the header and in the trailer.
func checkEchoes(t *testing.T, header, trailer metadata.MD) {
	t.Helper()
	if diff := cmp.Diff([]string{"first"}, header.Get(echoInHeader)); diff != "" {
		t.Errorf("in the header (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"\x00last\xff"}, trailer.Get(echoInTrailer)); diff != "" {
		t.Errorf("in the trailer (-want +got):\n%s", diff)
	}
}

// unary has a large answer, and a failure with its message and trailer.
func (s *shop) unary(ctx context.Context, t *testing.T, client testgrpc.TestServiceClient, mutual bool) {
	const size = 3 << 20
	var header, trailer metadata.MD
	answer, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseSize: size, Payload: &testgrpc.Payload{Body: make([]byte, size)}},
		grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil || len(answer.GetPayload().GetBody()) != size {
		t.Fatalf("got %d bytes, %v", len(answer.GetPayload().GetBody()), err)
	}
	checkEchoes(t, header, trailer)
	if said := strings.Join(header.Get(sawXFCC), ""); strings.HasSuffix(said, "URI="+s.id("orders")) != mutual {
		t.Errorf("the server is told that the caller is %q", said)
	}
	const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	_, err = client.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: int32(codes.DataLoss), Message: message}},
		grpc.Trailer(&trailer))
	if got := status.Convert(err); got.Code() != codes.DataLoss || got.Message() != message {
		t.Errorf("the failure arrives as %v", err)
	}
	checkEchoes(t, header, trailer)
}

// fullDuplex is a conversation, and its end in a failure.
func (s *shop) fullDuplex(ctx context.Context, t *testing.T, client testgrpc.TestServiceClient) {
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 27182, 8, 1828, 1 << 20} {
		body := bytes.Repeat([]byte{byte(size)}, size)
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: body}}); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil || !bytes.Equal(answer.GetPayload().GetBody(), body) {
			t.Fatalf("of %d bytes %d came back, %v", size, len(answer.GetPayload().GetBody()), err)
		}
	}
	if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseStatus: &testgrpc.EchoStatus{Code: int32(codes.Aborted), Message: "so it is"}}); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if got := status.Convert(err); got.Code() != codes.Aborted || got.Message() != "so it is" {
		t.Errorf("the failure arrives as %v", err)
	}
	header, err := stream.Header()
	if err != nil {
		t.Error(err)
	}
	checkEchoes(t, header, stream.Trailer())
	if stream, err = client.FullDuplexCall(ctx); err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a conversation in which nothing is said ends with %v", err)
	}
}

// callDenied: a denial is an error of gRPC.
func (s *shop) callDenied(t *testing.T) {
	s.apply(t, s.policy("AuthorizationPolicy", "calls", `{action: DENY, rules: [{to: [{operation: {paths: ["/grpc.testing.TestService/UnaryCall"], ports: ["8090"]}}]}]}`))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.caller(t, s.orders).UnaryCall(ctx, &testgrpc.SimpleRequest{})
	if got := status.Convert(err); got.Code() != codes.PermissionDenied || got.Message() != "RBAC: access denied" {
		t.Errorf("got %v", err)
	}
}
