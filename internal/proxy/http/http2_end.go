package http

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// h2HeaderTable bounds the HPACK tables, ours and what we keep for the other end.
	h2HeaderTable = 4 << 10
	// h2ControlLimit is how much may wait that the other end made us say: it asks and does not read the answers.
	h2ControlLimit = 64 << 10
	// h2GreetTimeout is for the preface and the first SETTINGS.
	h2GreetTimeout = 10 * time.Second
)

// h2Error ends a connection: it is the code of the GOAWAY and what to say about it.
type h2Error struct {
	code   http2.ErrCode
	reason string
}

func (e h2Error) Error() string { return fmt.Sprintf("%s (%s)", e.reason, e.code) }

// h2Frames collects frames. It is a writer for the Framer.
type h2Frames struct{ bytes []byte }

func (f *h2Frames) Write(p []byte) (int, error) {
	f.bytes = append(f.bytes, p...)
	return len(p), nil
}

// h2End is one connection, to the client or to the application: one goroutine reads it and one writes it. What stands below
// the line is guarded by the mutex of the session.
type h2End struct {
	session *h2Session
	// server is true of the end that faces the client.
	server  bool
	conn    net.Conn
	in      *bufio.Reader
	frames  *http2.Framer // reads from in, writes to control
	decoder *hpack.Decoder
	fields  *h2Fields // what the decoder adds to
	// size of the fields in the sense of RFC 9113 section 6.5.2; tooLarge says that some were left out for it.
	size     int
	tooLarge bool

	// ---

	wake     sync.Cond
	control  h2Frames // goes out before everything else, and is bound to no window
	ready    h2List
	block    h2Frames // scratch of the encoder
	encoder  *hpack.Encoder
	streams  map[uint32]*h2Half
	opening  h2List // of the end to the application: waiting for its SETTINGS or for a free place
	lastID   uint32 // the highest that was used
	send     int    // window of the connection
	window   h2Window
	starved  bool // something waits for the connection's window
	budget   h2Budget
	greeted  bool // the first SETTINGS have come
	draining bool // GOAWAY: takes no new streams
	ending   bool // to be closed when everything has been written
	finished bool // the other end has said that it sends no more
	dead     bool

	// The other end's SETTINGS.
	initialSend int
	maxFrame    int
	maxStreams  uint32
}

func newH2End(session *h2Session, server bool) *h2End {
	e := &h2End{
		session: session, server: server,
		fields:      newH2Fields(),
		streams:     map[uint32]*h2Half{},
		send:        h2DefaultWindow,
		window:      h2Window{left: h2ConnectionWindow},
		budget:      newH2Budget(h2FrameBurst, h2FrameRate),
		initialSend: h2DefaultWindow,
		maxFrame:    h2ChunkSize,
		maxStreams:  maxStreams, // until we are told
	}
	e.wake.L = &session.mu
	return e
}

// attach gives the end its connection and queues the greeting. The caller holds the mutex.
func (e *h2End) attach(conn net.Conn, in *bufio.Reader) {
	e.conn, e.in = conn, in
	e.frames = http2.NewFramer(&e.control, e.in)
	e.frames.SetMaxReadFrameSize(h2ChunkSize)
	e.decoder = hpack.NewDecoder(h2HeaderTable, e.decoded)
	e.decoder.SetMaxStringLength(maxHead)
	e.encoder = hpack.NewEncoder(&e.block)
	e.greet()
}

// read takes in frames until the connection ends or has to.
func (e *h2End) read() error {
	for {
		header, err := e.frames.ReadFrameHeader()
		if err == nil {
			err = e.readFrame(header)
		}
		if err != nil {
			if err = e.explain(err); err != nil {
				return err
			}
		}
	}
}

// explain turns what the Framer says into an h2Error, or into nil where it is about one stream, which then ends. An error
// of the connection itself stays what it is.
func (e *h2End) explain(err error) error {
	var wrong http2.StreamError
	if errors.As(err, &wrong) {
		return e.onWrongFrame(wrong)
	}
	if errors.Is(err, http2.ErrFrameTooLarge) {
		return h2Error{http2.ErrCodeFrameSize, "a frame is larger than was allowed"}
	}
	var code http2.ConnectionError
	if !errors.As(err, &code) {
		return err
	}
	if detail := e.frames.ErrorDetail(); detail != nil {
		return h2Error{http2.ErrCode(code), detail.Error()}
	}
	return h2Error{http2.ErrCode(code), "a frame is malformed"}
}

func (e *h2End) readFrame(header http2.FrameHeader) error {
	if header.Type != http2.FrameSettings && !e.greeted { // only this goroutine writes it
		return h2Error{http2.ErrCodeProtocol, "the first frame is not SETTINGS"}
	}
	if header.Type == http2.FrameData {
		return e.readData(header)
	}
	f, err := e.frames.ReadFrameForHeader(header)
	if err != nil && header.Type == http2.FrameHeaders {
		return h2Error{http2.ErrCodeProtocol, "HEADERS are malformed"} // and the tables differ from here on
	}
	if err != nil {
		return err
	}
	if headers, ok := f.(*http2.HeadersFrame); ok {
		return e.readHeaders(headers)
	}
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	if err := e.onControl(f); err != nil {
		return err
	}
	return e.checkControl()
}

// checkControl holds a flood of questions against the one who asks them, and sees to it that answers go out.
func (e *h2End) checkControl() error {
	if len(e.control.bytes) > h2ControlLimit {
		return h2Error{http2.ErrCodeEnhanceYourCalm, "the answers are not read"}
	}
	if len(e.control.bytes) > 0 {
		e.wake.Signal()
	}
	return nil
}

// onControl takes in everything but DATA and HEADERS.
func (e *h2End) onControl(f http2.Frame) error {
	if e.server && !e.budget.spend(time.Now()) {
		return h2Error{http2.ErrCodeEnhanceYourCalm, "too many frames that carry nothing"}
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return e.onSettings(f)
	case *http2.WindowUpdateFrame:
		return e.onWindowUpdate(f)
	case *http2.RSTStreamFrame:
		return e.onReset(f)
	case *http2.PingFrame:
		return e.onPing(f)
	case *http2.GoAwayFrame:
		return e.onGoAway(f)
	case *http2.PushPromiseFrame:
		return h2Error{http2.ErrCodeProtocol, "PUSH_PROMISE was not allowed"}
	default:
		return nil // PRIORITY, and what was invented later
	}
}

// onWrongFrame answers a frame that is wrong for its stream alone.
func (e *h2End) onWrongFrame(wrong http2.StreamError) error {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	h := e.streams[wrong.StreamID]
	if h == nil {
		return h2Error{wrong.Code, "a frame is malformed"}
	}
	if err := e.abort(h, wrong.Code); err != nil {
		return err
	}
	return e.checkControl()
}

// checkKnown is for a frame of a stream that is no more: fine where it once was, since frames cross on the way.
func (e *h2End) checkKnown(id uint32) error {
	if ours := id%2 == 1; ours && id <= e.lastID {
		return nil
	}
	return h2Error{http2.ErrCodeProtocol, "a frame is for a stream that was never opened"}
}

// close ends the connection at once. A client that has not finished gets a reset; one that has, and the application, would take
// it for a failure.
func (e *h2End) close() {
	e.session.mu.Lock()
	conn, orderly := e.conn, e.finished || !e.server
	e.dead = true
	e.wake.Broadcast()
	e.session.mu.Unlock()
	switch {
	case conn == nil:
	case orderly:
		_ = conn.Close() // nothing depends on how it is closed
	default:
		hardClose(conn)
	}
}
