package main

import (
	"bytes"
	"io"
	"net/http"
)

// pathHealth is the method of gRPC's health checking protocol that kubelet calls.
const pathHealth = "/grpc.health.v1.Health/Check"

// serviceDown is the only service that is not well.
const serviceDown = "down"

// health answers kubelet's gRPC probe. Its messages are so small that they are written here by hand: a gRPC frame is a byte
// for compression and four for the length, the answer is field 1 of a protocol buffer.
func health(w http.ResponseWriter, r *http.Request) {
	const serving, notServing, limit = 1, 2, 1 << 10
	asked, err := io.ReadAll(io.LimitReader(r.Body, limit))
	if err != nil {
		return
	}
	state := byte(serving)
	if bytes.Contains(asked, []byte(serviceDown)) {
		state = notServing
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, state})
	w.Header().Set("Grpc-Status", "0")
}
