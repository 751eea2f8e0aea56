package telemetry

import "time"

// Opened counts a connection that has been accepted; Closed must follow.
func (r *Recorder) Opened(d Direction) {
	if r != nil && r.metrics != nil {
		r.metrics.of(d).open.Inc()
	}
}

// Closed takes back one Opened.
func (r *Recorder) Closed(d Direction) {
	if r != nil && r.metrics != nil {
		r.metrics.of(d).open.Dec()
	}
}

// Handshake counts a TLS handshake of our own. Reason is empty when it succeeded, otherwise a word for programs out of a
// fixed list.
func (r *Recorder) Handshake(d Direction, reason string) {
	if r != nil && r.metrics != nil {
		r.metrics.handshakes.get(handshakeKey{d, reason}).Inc()
	}
}

// CertificateExpires says when the workload's own certificate ends.
func (r *Recorder) CertificateExpires(at time.Time) {
	if r != nil && r.metrics != nil {
		r.metrics.certificateExpiry.Set(float64(at.Unix()))
	}
}

// ConfigInForce says since when the configuration of this moment holds.
func (r *Recorder) ConfigInForce(since time.Time) {
	if r != nil && r.metrics != nil {
		r.metrics.configInForce.Set(float64(since.Unix()))
	}
}

// ControlConnected says whether the stream to the control API is up.
func (r *Recorder) ControlConnected(up bool) {
	if r == nil || r.metrics == nil {
		return
	}
	value := 0.0
	if up {
		value = 1
	}
	r.metrics.controlConnected.Set(value)
}
