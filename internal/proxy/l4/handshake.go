package l4

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxy/sniff"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// proven is what the other end has proved, kept to be verified again.
type proven struct {
	id      identity.ID
	chain   []*x509.Certificate
	usage   x509.ExtKeyUsage
	own     *mtls.Material // what was shown to it
	expires time.Time      // the first to expire of both ends' certificates
}

func (p *proven) expiry() time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.expires
}

// prove reads what a finished handshake has shown.
func prove(conn *tls.Conn, own *mtls.Material, usage x509.ExtKeyUsage) (*proven, error) {
	state := conn.ConnectionState()
	id, err := mtls.PeerID(state)
	if err != nil {
		return nil, err
	}
	p := &proven{id: id, chain: state.PeerCertificates, usage: usage, own: own, expires: state.PeerCertificates[0].NotAfter}
	if leaf := own.Certificate.Leaf; leaf != nil && leaf.NotAfter.Before(p.expires) {
		p.expires = leaf.NotAfter
	}
	return p, nil
}

// material is the workload's own, for a handshake that is about to begin.
func (w *Workload) material() (*mtls.Material, error) {
	m, err := w.options.Source.Material()
	if err == nil && (m == nil || m.Certificate == nil || m.Bundle == nil) {
		err = errors.New("no certificate or no trust bundle")
	}
	return m, err
}

// handshake runs one, within the limits of number and time, and counts it. On an error it returns the ending.
func (w *Workload) handshake(direction telemetry.Direction, conn *tls.Conn, below *wire) *ending {
	e := w.limitedHandshake(conn, below)
	reason := ""
	if e != nil {
		reason = e.reason
	}
	w.options.Telemetry.Handshake(direction, reason)
	return e
}

func (w *Workload) limitedHandshake(conn *tls.Conn, below *wire) *ending {
	limit := time.Now().Add(w.options.Limits.Handshake)
	timer := time.NewTimer(w.options.Limits.Handshake)
	defer timer.Stop()
	select {
	case w.handshakes <- struct{}{}:
		below.places = w.handshakes
		defer func() {
			below.places = nil
			<-w.handshakes
		}()
	case <-timer.C:
		e := refused(ReasonTooManyHandshakes, fmt.Sprintf("%d handshakes are computed, the most that are allowed at a time", cap(w.handshakes)))
		return &e
	}
	err := conn.SetDeadline(limit)
	if err == nil {
		err = conn.Handshake() //nolint:noctx // the deadline bounds it, and the end of the flow closes the socket
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		return nil
	}
	e := refused(handshakeReason(err), err.Error())
	return &e
}

// handshakeReason sorts the errors of crypto/tls.
func handshakeReason(err error) Reason {
	var refusal *mtls.Refusal
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &refusal):
		return ReasonPeerNotAccepted
	case strings.Contains(err.Error(), "didn't provide a certificate"):
		return ReasonNoPeerCertificate
	case strings.HasPrefix(err.Error(), "own certificate:"):
		return ReasonNoIdentity
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonHandshakeTimeout
	case errors.As(err, &op) && op.Op == "remote error", errors.As(err, &alert), errors.Is(err, io.EOF):
		return ReasonRefusedByPeer
	default:
		return ReasonHandshakeFailed
	}
}

// shake is the handshake of an inbound connection, and says whether it succeeded.
func (a *arrival) shake() bool {
	own, err := a.workload.material()
	if err != nil {
		a.end(refused(ReasonNoIdentity, err.Error()+"; is the certificate mounted and readable?"))
		return false
	}
	if a.wire, err = newWire(a.conn); err != nil {
		a.end(failed(ReasonBroken, err.Error()))
		return false
	}
	conn := tls.Server(a.wire, a.state.server)
	if e := a.workload.handshake(telemetry.Inbound, conn, a.wire); e != nil {
		a.mark(*e)
		linger(a.conn)
		return false
	}
	if a.proven, err = prove(conn, own, x509.ExtKeyUsageClientAuth); err != nil {
		a.end(refused(ReasonPeerNotAccepted, err.Error()))
		return false
	}
	a.tls = conn
	a.sni = conn.ConnectionState().ServerName
	a.entry.SourceIdentity, a.entry.TLSVersion = a.proven.id.String(), versionName(conn)
	return true
}

// versionName is such as TLS1.3.
func versionName(conn *tls.Conn) string {
	return strings.ReplaceAll(tls.VersionName(conn.ConnectionState().Version), " ", "")
}

// How much, and for how long, is read from a client whose handshake failed.
const (
	lingerBytes = 64 << 10
	lingerTime  = time.Second
)

// linger gives an alert time to arrive. Closing at once, with bytes of the client unread, would send RST, upon which the
// client may throw away the alert that says what was wrong.
func linger(conn *sniff.Conn) {
	if conn.CloseWrite() == nil && conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}
