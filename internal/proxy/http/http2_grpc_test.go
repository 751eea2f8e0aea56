package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// grpcEcho has one method of two directions: it answers each message with itself, in upper case, and ends with a trailer.
// A message "fail" makes it fail.
func grpcEcho(_ any, stream grpc.ServerStream) error {
	stream.SetTrailer(metadata.Pairs("x-sum", "42"))
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if in.Value == "fail" {
			return status.Error(codes.AlreadyExists, "it is there, ünd 100% so")
		}
		if err := stream.SendMsg(wrapperspb.String(strings.ToUpper(in.Value))); err != nil {
			return err
		}
	}
}

func grpcBed(t *testing.T) (*h2Bed, *grpc.ClientConn, *grpc.Server) {
	t.Helper()
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Chat", Handler: grpcEcho, ServerStreams: true, ClientStreams: true}},
	}, struct{}{})
	listener := h2Listen(t)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	b := newH2Bed(t, listener.Addr().String())
	client, err := grpc.NewClient("passthrough:///"+b.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return b, client, server
}

func grpcChat(ctx context.Context, client *grpc.ClientConn) (grpc.ClientStream, error) {
	return client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Chat")
}

func grpcSay(stream grpc.ClientStream, text string) (string, error) {
	if err := stream.SendMsg(wrapperspb.String(text)); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	out := new(wrapperspb.StringValue)
	err := stream.RecvMsg(out)
	return out.Value, err
}

// TestHTTP2GRPC is a real client and a real server: a conversation, a trailer, a failure with a message.
func TestHTTP2GRPC(t *testing.T) {
	_, client, _ := grpcBed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := grpcChat(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		text := fmt.Sprintf("message %d %s", i, strings.Repeat("x", i*50))
		if got, err := grpcSay(stream, text); err != nil || got != strings.ToUpper(text) {
			t.Fatalf("message %d: %q %v", i, got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) || stream.Trailer().Get("x-sum")[0] != "42" {
		t.Errorf("the end: %v, trailer %v", err, stream.Trailer())
	}
	stream, err = grpcChat(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	_, err = grpcSay(stream, "fail") // trailers and nothing else
	if s := status.Convert(err); s.Code() != codes.AlreadyExists || s.Message() != "it is there, ünd 100% so" {
		t.Errorf("the failure: %v", err)
	}
}

// TestHTTP2GRPCDenied: a denial is what gRPC understands as one, before a call and in the middle of it.
func TestHTTP2GRPCDenied(t *testing.T) {
	b, client, _ := grpcBed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := grpcChat(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grpcSay(stream, "hello"); err != nil {
		t.Fatal(err)
	}
	b.policy(func(authz.Request) authz.Decision { return authz.Decision{} })
	b.each((*Session).Recheck)
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); status.Code(err) != codes.Canceled {
		t.Errorf("a call under way: %v", err)
	}
	stream, err = grpcChat(ctx, client)
	if err == nil {
		_, err = grpcSay(stream, "hello")
	}
	if s := status.Convert(err); s.Code() != codes.PermissionDenied || s.Message() != deniedText {
		t.Errorf("a new call: %v", err)
	}
}

// TestHTTP2GRPCRefusal: a refusal is one header block, as gRPC has it, for a call and for nothing else.
func TestHTTP2GRPCRefusal(t *testing.T) {
	nobody := h2Listen(t)
	_ = nobody.Close()
	b := newH2Bed(t, nobody.Addr().String())
	b.policy(func(q authz.Request) authz.Decision { return authz.Decision{Allowed: q.HTTP.Path != "/denied"} })
	r := b.dialRaw().greet()
	for i, tt := range []struct{ path, contentType, status, grpc, message, body string }{
		{"/denied", "application/grpc", "200", "7", deniedText, ""},
		{"/denied", "application/grpc+proto", "200", "7", deniedText, ""},
		{"/denied", "application/grpc; charset=utf-8", "200", "7", deniedText, ""},
		{"/denied", "application/grpc-web", "403", "", "", deniedText},
		{"/denied", "text/plain", "403", "", "", deniedText},
		{"/gone", "application/grpc", "200", "14", "the application does not accept connections", ""},
		{"/gone", "text/plain", "503", "", "", "the application does not accept connections"},
	} {
		id := uint32(2*i + 1)
		r.get(id, tt.path, "content-type", tt.contentType)
		out := r.outcome(id)
		got := []string{out.status, out.fields["grpc-status"], out.fields["grpc-message"], out.body}
		if diff := cmp.Diff([]string{tt.status, tt.grpc, tt.message, tt.body}, got); diff != "" || out.fields["x-request-id"] == "" {
			t.Errorf("%s as %s (-want +got):\n%s%+v", tt.path, tt.contentType, diff, out)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[0]; e.Status != nethttp.StatusForbidden || e.Verdict != telemetry.Denied {
		t.Errorf("entry %+v", e)
	}
}

// TestHTTP2GRPCRestart: a graceful end of the server loses no call, an abrupt one is UNAVAILABLE.
func TestHTTP2GRPCRestart(t *testing.T) {
	_, client, server := grpcBed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := grpcChat(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grpcSay(stream, "hello"); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); server.GracefulStop() }()
	for range 100 {
		if got, err := grpcSay(stream, "still there"); err != nil || got != "STILL THERE" {
			t.Fatalf("while the server ends: %q %v", got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	<-stopped
	stream, err = grpcChat(ctx, client)
	if err == nil {
		_, err = grpcSay(stream, "hello")
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}
