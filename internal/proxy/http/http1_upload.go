package http

import (
	"errors"
	"sync"
	"time"
)

// upload carries the body of a request while the answer comes the other way.
type upload struct {
	client *reader
	app    *upstream
	ended  chan struct{}

	mu      sync.Mutex
	over    bool
	stopped bool  // over, and the application may still answer
	err     error // why it ended, once it is over
}

var errCut = errors.New("the rest of the request is not wanted")

// startUpload gives the client's reader and the application's writer away until the upload has ended.
func (h *http1) startUpload() *upload {
	u := &upload{ended: make(chan struct{}), client: h.client, app: h.app}
	t := transfer{from: u.client, to: &u.app.out, in: h.request.body, chunks: true, before: u.patience}
	go func() {
		defer close(u.ended)
		if u.finish(t.run()) == nil {
			h.watch.start()
		} else if u.app.out.err == nil && !u.stopped {
			hardClose(u.app.conn) // the application must not wait for what will not come
		}
	}()
	return u
}

// finish records how the upload ended; the first end counts.
func (u *upload) finish(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.over {
		u.over, u.err = true, err
	}
	return u.err
}

// patience moves the deadline of a client that sends.
func (u *upload) patience() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return u.err
	}
	u.client.expire(time.Now().Add(idleTimeout))
	return nil
}

// cut ends an upload, and with it the connection to the application, which has got half a request.
func (u *upload) cut() {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over && !u.stopped {
		return
	}
	u.over, u.err = true, errCut
	_ = u.client.conn.SetReadDeadline(past)
	hardClose(u.app.conn)
}

// stop reads nothing more of a request of which some has not come yet, and says whether that was so. The application can go on
// with its answer until cut.
func (u *upload) stop() bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return false
	}
	u.over, u.stopped, u.err = true, true, errCut
	_ = u.client.conn.SetReadDeadline(past)
	return true
}

// wait takes reader and writer back and returns why the upload failed, if it did.
func (u *upload) wait() error {
	if u == nil {
		return nil
	}
	<-u.ended
	return u.err
}
