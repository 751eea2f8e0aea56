package http

import (
	"net"
	"sync"
)

// ends are the two connections of a session, for those who end it from outside: the end of a context, a change of policy, a
// client that went away.
type ends struct {
	mu          sync.Mutex
	client, app net.Conn
	aborted     bool
}

// set names the application's connection of the moment. After an abort it is closed at once.
func (e *ends) set(app net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.app = app
	if e.aborted {
		hardClose(app)
	}
}

// abort ends both connections, now and for ever.
func (e *ends) abort() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.aborted = true
	hardClose(e.client)
	if e.app != nil {
		hardClose(e.app)
	}
}

// over says whether both have been ended from outside.
func (e *ends) over() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.aborted
}
