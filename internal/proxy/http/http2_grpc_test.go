package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/warifu/warifu/internal/authz"
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
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("a new call: %v", err)
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
