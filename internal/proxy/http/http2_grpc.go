package http

import (
	nethttp "net/http"
	"strings"
)

// isGRPC says whether a request of HTTP/2 is a call of gRPC.
func (x *exchange) isGRPC() bool {
	for i := range x.fields {
		if f := &x.fields[i]; f.name == "content-type" {
			rest, ok := strings.CutPrefix(f.value, "application/grpc")
			return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
		}
	}
	return false
}

// addRefusal writes a refusal as gRPC has an answer of trailers only, with the status that its clients would make of the one
// of HTTP.
func (f *h2Fields) addRefusal(refused *refusal) {
	f.add(":status", "200")
	f.add("content-type", "application/grpc")
	f.add("grpc-status", grpcStatus(refused.status))
	f.add("grpc-message", strings.ReplaceAll(refused.text, "%", "%25")) // the texts have no other character that is escaped
}

// grpcStatus follows gRPC's table for the statuses of HTTP that we answer with.
func grpcStatus(status int) string {
	switch status {
	case nethttp.StatusForbidden:
		return "7" // PERMISSION_DENIED
	case nethttp.StatusBadGateway, nethttp.StatusServiceUnavailable:
		return "14" // UNAVAILABLE
	}
	return "2" // UNKNOWN
}
