package http

import (
	"encoding/hex"
	"math/rand/v2"
)

// maxRequestID bounds the request ID that is taken over from a client, in bytes: it goes into every log line.
const maxRequestID = 128

// newRequestID is a random UUID (RFC 9562, version 4). It names a request in logs and keeps nothing secret.
func newRequestID() string {
	var raw [16]byte
	high, low := rand.Uint64(), rand.Uint64() //nolint:gosec // a name that need not be hard to guess
	for i := range 8 {
		raw[i], raw[8+i] = byte(high>>(8*i)), byte(low>>(8*i))
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], raw[0:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:36], raw[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// usableRequestID says whether a client's request ID is passed on: any token will do.
func usableRequestID(s string) bool { return len(s) <= maxRequestID && validName(s) }
