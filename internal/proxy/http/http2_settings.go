package http

import (
	"time"

	"golang.org/x/net/http2"
)

const (
	// h2MaxHeaderBlock bounds a header block on the wire, h2MaxContinuations the frames that it comes in: a client that
	// never ends its header block is stopped by the one or the other.
	h2MaxHeaderBlock   = 2 * maxHead
	h2MaxContinuations = 32
)

// greet queues what we begin with: the preface of a client, SETTINGS, and the window of the connection.
func (e *h2End) greet() {
	settings := []http2.Setting{
		{ID: http2.SettingInitialWindowSize, Val: h2StreamWindow},
		{ID: http2.SettingMaxHeaderListSize, Val: maxHead},
	}
	if e.server {
		settings = append(settings, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams})
	} else {
		e.control.bytes = append(e.control.bytes, http2.ClientPreface...)
		settings = append(settings, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	}
	_ = e.frames.WriteSettings(settings...)
	_ = e.frames.WriteWindowUpdate(0, h2ConnectionWindow-h2DefaultWindow)
}

// onSettings applies the other end's SETTINGS in the order in which they stand, and acknowledges them.
func (e *h2End) onSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if err := f.ForeachSetting(e.applySetting); err != nil {
		return err
	}
	_ = e.frames.WriteSettingsAck()
	if e.greeted {
		return nil
	}
	e.greeted = true
	_ = e.conn.SetReadDeadline(time.Time{})
	if !e.server {
		e.session.served = true
		e.session.limitStreams(e.maxStreams)
		e.wake.Signal()
	}
	return nil
}

func (e *h2End) applySetting(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingHeaderTableSize:
		e.encoder.SetMaxDynamicTableSize(min(s.Val, h2HeaderTable))
	case http2.SettingInitialWindowSize:
		return e.resizeWindows(s.Val)
	case http2.SettingMaxFrameSize:
		e.maxFrame = int(s.Val)
	case http2.SettingMaxConcurrentStreams:
		e.maxStreams = s.Val
	case http2.SettingEnablePush:
		if !e.server && s.Val != 0 {
			return h2Error{http2.ErrCodeProtocol, "a server cannot enable push"}
		}
	default: // the size of header lists is the application's to complain about; others are unknown
	}
	return nil
}

// limitStreams passes on to the client that the application takes fewer streams than we do. What the client has opened
// before it learns so waits here.
func (s *h2Session) limitStreams(limit uint32) {
	if limit = max(1, min(limit, maxStreams)); limit == s.streamLimit || s.down.dead {
		return
	}
	s.streamLimit = limit
	_ = s.down.frames.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: limit})
	s.down.wake.Signal()
}

// drainPing marks the PING whose answer says that the client has seen our GOAWAY.
var drainPing = [8]byte{'w', 'a', 'r', 'i', 'f', 'u', 0, 1}

func (e *h2End) onPing(f *http2.PingFrame) error {
	if !f.IsAck() {
		_ = e.frames.WritePing(true, f.Data)
		return nil
	}
	if e.server && f.Data == drainPing {
		e.session.lastCall()
	}
	return nil
}
