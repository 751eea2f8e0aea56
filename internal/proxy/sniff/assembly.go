package sniff

import (
	"errors"
	"fmt"
)

// Of the record layer and the handshake protocol (RFC 8446, sections 5.1 and 4).
const (
	recordHandshake   = 0x16
	recordHeader      = 5
	mostRecord        = 1 << 14
	messageHello      = 1
	messageHeader     = 4
	mostMessageLength = mostHeld
)

// errNotTLS: the bytes begin by chance with the one that TLS begins with.
var errNotTLS = errors.New("not TLS")

// assembly puts together the first handshake message of a connection, which may be spread over any number of records. It
// goes over each byte once, however few of them arrive at a time.
type assembly struct {
	next    int    // where the next record begins
	message []byte // the handshake layer so far
}

// take looks at all that was received so far and returns the message, with its header, once it is whole.
//
// The version in the record's header is not asked about: servers differ in what they take there. What no server takes is a
// first message other than a ClientHello, so that alone is the end of the question.
func (a *assembly) take(received []byte) ([]byte, error) {
	for len(received)-a.next > recordHeader {
		record := received[a.next:]
		if record[0] != recordHandshake {
			return nil, fmt.Errorf("ClientHello is interrupted by a record of type %d", record[0])
		}
		length := int(record[3])<<8 | int(record[4])
		if length == 0 {
			return nil, errors.New("ClientHello has an empty record")
		}
		if a.next == 0 && record[recordHeader] != messageHello {
			return nil, errNotTLS
		}
		if length > mostRecord {
			return nil, fmt.Errorf("ClientHello has a record of %d bytes: at most %d are allowed", length, mostRecord)
		}
		if len(record) < recordHeader+length {
			return nil, nil
		}
		a.message = append(a.message, record[recordHeader:recordHeader+length]...)
		a.next += recordHeader + length
		if whole, err := a.whole(); whole != nil || err != nil {
			return whole, err
		}
	}
	return nil, nil
}

// whole is the first message of those put together so far; nil while some of it is missing.
func (a *assembly) whole() ([]byte, error) {
	if len(a.message) < messageHeader {
		return nil, nil
	}
	length := int(a.message[1])<<16 | int(a.message[2])<<8 | int(a.message[3])
	if length > mostMessageLength {
		return nil, fmt.Errorf("ClientHello of %d bytes: at most %d are read", length, mostMessageLength)
	}
	if len(a.message) < messageHeader+length {
		return nil, nil
	}
	return a.message[:messageHeader+length], nil
}
