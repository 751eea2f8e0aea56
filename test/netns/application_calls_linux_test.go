package netns

import (
	"context"
	"errors"
	"io"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// calls serves what gRPC's implementations test each other with, as far as it is needed here.
type calls struct {
	testgrpc.UnimplementedTestServiceServer
}

// Metadata that comes back as it was sent: the first in the header, the second in the trailer.
const (
	echoInHeader  = "x-grpc-test-echo-initial"
	echoInTrailer = "x-grpc-test-echo-trailing-bin"
	sawXFCC       = "x-saw-client-cert"
)

func serveCalls(l net.Listener) {
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, calls{})
	if err := server.Serve(l); err != nil {
		log.Fatal(err)
	}
}

// UnaryCall answers with as many bytes as are wanted, or fails as is wanted.
func (calls) UnaryCall(ctx context.Context, in *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	header, trailer := echoes(ctx)
	if err := errors.Join(grpc.SetHeader(ctx, header), grpc.SetTrailer(ctx, trailer)); err != nil {
		return nil, err
	}
	if s := in.GetResponseStatus(); s.GetCode() != 0 {
		return nil, status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	return &testgrpc.SimpleResponse{Payload: &testgrpc.Payload{Body: make([]byte, in.GetResponseSize())}}, nil
}

// FullDuplexCall answers each message while more come, and fails as is wanted.
func (calls) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	header, trailer := echoes(stream.Context())
	stream.SetTrailer(trailer)
	if err := stream.SendHeader(header); err != nil {
		return err
	}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if s := in.GetResponseStatus(); s.GetCode() != 0 {
			return status.Error(codes.Code(s.GetCode()), s.GetMessage())
		}
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

// echoes are what comes back of a call's metadata, and whom the proxy says it is from.
func echoes(ctx context.Context) (header, trailer metadata.MD) {
	in, _ := metadata.FromIncomingContext(ctx)
	header = metadata.MD{sawXFCC: in.Get("x-forwarded-client-cert")}
	header.Append(echoInHeader, in.Get(echoInHeader)...)
	trailer = metadata.MD{}
	trailer.Append(echoInTrailer, in.Get(echoInTrailer)...)
	return header, trailer
}
