package controlapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Times of a stream.
const (
	writeTimeout = 20 * time.Second
	helloTimeout = 10 * time.Second
	// settle is how long a change waits for others that come with it.
	settle = 25 * time.Millisecond
	// reviewEvery is how often a token is reviewed again, or sooner when it expires; retryReview when nobody could.
	reviewEvery = 5 * time.Minute
	retryReview = 30 * time.Second
	// catchUpPoll is how often a replica that is behind looks whether it still is.
	catchUpPoll = 25 * time.Millisecond
)

// Lines that a proxy may send, in lines a second, of which a long one counts as several. More of them wait.
const (
	askRate  = rate.Limit(50)
	askBurst = 200
	longLine = 4 << 10
)

// opening is a stream that begins.
type opening struct {
	request *http.Request
	control *http.ResponseController
	lines   *wire.Lines
	token   string
	id      identity.ID
}

// stream serves one proxy until either end has enough.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, id identity.ID) error {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return refusef(http.StatusServiceUnavailable, refusedBusy, "this replica serves as many proxies as it may; another one may do")
	}
	defer s.streams.Add(-1)
	token, err := tokenOf(r)
	if err != nil {
		return err
	}
	o := &opening{request: r, control: http.NewResponseController(w), lines: wire.NewLines(r.Body, wire.MaxAsk), token: token, id: id}
	who, first, err := s.authenticate(o)
	if err != nil {
		return err
	}
	if err := s.catchUp(r.Context(), first.Hello.Seen); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	session := newSession(who, id, end)
	s.hub.add(session)
	defer s.hub.remove(session)
	if err := s.checkPod(session); err != nil { // after add: a change from now on is heard
		return err
	}
	if err := session.take(s.hub, first); err != nil {
		return refusef(http.StatusBadRequest, refusedHello, "%s", err.Error())
	}
	w.Header().Set("Content-Type", wire.LinesType)
	w.WriteHeader(http.StatusOK)
	s.options.Log.V(1).Info("Control API: stream", "identity", id.String(), "pod", who.pod.String(), "verdict", "allowed", "version", first.Hello.Version)
	streams.Inc()
	defer streams.Dec()

	go s.listen(ctx, session, o.lines)
	go s.keepReviewing(ctx, session, token)
	go s.keepCredentials(ctx, session)
	err = s.speak(ctx, session, &lineWriter{to: w, control: o.control})
	s.options.Log.V(1).Info("Control API: stream has ended", "pod", who.pod.String(), "reason", fmt.Sprint(err))
	return nil
}

// authenticate has the token reviewed and reads the first line, in turn.
func (s *Server) authenticate(o *opening) (bearer, *proxyconfig.Ask, error) {
	ctx := o.request.Context()
	done, err := s.turns.take(ctx, o.id)
	if err != nil {
		return bearer{}, nil, err
	}
	defer done()
	who, err := s.reviewer.review(ctx, o.token, o.id, false)
	if err != nil {
		return bearer{}, nil, unavailable(err)
	}
	if err := o.control.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return bearer{}, nil, err
	}
	first, err := hello(o.lines)
	if err != nil {
		return bearer{}, nil, err
	}
	return who, first, o.control.SetReadDeadline(time.Time{})
}

// unavailable makes of an error that is no verdict a refusal that asks to come again.
func unavailable(err error) error {
	var verdict *refusal
	if errors.As(err, &verdict) {
		return err
	}
	return refusef(http.StatusServiceUnavailable, refusedBusy, "the API server was asked about the token and did not answer: %s", err.Error())
}

// hello reads the first line.
func hello(lines *wire.Lines) (*proxyconfig.Ask, error) {
	line, err := lines.Next()
	if err != nil {
		return nil, refusef(http.StatusBadRequest, refusedHello, "the first line could not be read: %s", err.Error())
	}
	ask, err := wire.DecodeAsk(line)
	if err != nil {
		return nil, refusef(http.StatusBadRequest, refusedHello, "the first line is not understood: %s", cut(err.Error()))
	}
	if ask.Hello == nil || ask.Hello.Schema < 1 {
		return nil, refusef(http.StatusBadRequest, refusedHello, "the first line has no hello with a schema version of 1 or more")
	}
	return ask, nil
}

// catchUp waits until the index has taken in what the proxy has been told elsewhere. Where it had to wait it waits a little
// longer: a cache that was filled anew comes in no order.
func (s *Server) catchUp(ctx context.Context, seen proxyconfig.AsOf) error {
	if s.options.Feed.Reached(seen) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	poll := time.NewTicker(catchUpPoll)
	defer poll.Stop()
	for reached := 0; reached < 4; {
		select {
		case <-ctx.Done():
			return refusef(http.StatusServiceUnavailable, refusedBehind, "this replica is behind what the proxy was told by another")
		case <-poll.C:
		}
		if s.options.Feed.Reached(seen) {
			reached++
		}
	}
	return nil
}

// checkPod refuses a stream for a pod that the index does not know as the one that was authenticated.
func (s *Server) checkPod(session *session) error {
	workload, known := s.options.Index.Workload(session.pod)
	switch {
	case !known:
		return refusef(http.StatusServiceUnavailable, refusedPod, "pod %s is not known here, or not yet", session.pod)
	case workload.UID != session.uid:
		return refusef(http.StatusForbidden, refusedPod, "the token is of an earlier pod %s", session.pod)
	case workload.ServiceAccount != session.identity.ServiceAccount():
		return refusef(http.StatusForbidden, refusedPod, "pod %s runs as %q, the certificate is of %s", session.pod, workload.ServiceAccount, session.identity)
	case workload.Finished:
		return refusef(http.StatusForbidden, refusedPod, "pod %s has finished", session.pod)
	case !workload.Proxied:
		return refusef(http.StatusForbidden, refusedPod, "pod %s has no proxy", session.pod)
	}
	return nil
}

// listen takes in what the proxy asks. The end of the request's body is no end of the stream.
func (s *Server) listen(ctx context.Context, session *session, lines *wire.Lines) {
	limiter := rate.NewLimiter(askRate, askBurst)
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		var ask *proxyconfig.Ask
		if err == nil {
			ask, err = wire.DecodeAsk(line)
		}
		if err == nil {
			err = session.take(s.hub, ask)
		}
		if err == nil {
			err = limiter.WaitN(ctx, 1+len(line)/longLine)
		}
		if err != nil {
			session.end(fmt.Errorf("what the proxy asks: %w", err))
			return
		}
	}
}

// keepReviewing ends the stream when the token is no longer good. While the API server does not answer the stream goes on:
// nothing changes then that the proxy could be told.
func (s *Server) keepReviewing(ctx context.Context, session *session, token string) {
	next := untilReview(token)
	for {
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		who, err := s.reviewer.review(ctx, token, session.identity, true)
		var verdict *refusal
		switch {
		case errors.As(err, &verdict):
			session.end(verdict)
			return
		case err != nil:
			next = retryReview
		case who.uid != session.uid || who.pod != session.pod:
			session.end(errors.New("the token proves another pod than before"))
			return
		default:
			next = untilReview(token)
		}
	}
}

// untilReview is when to review a token again: spread, so that not all proxies of a rollout are reviewed at once.
func untilReview(token string) time.Duration {
	next := reviewEvery/2 + rand.N(reviewEvery/2) //nolint:gosec // no secret depends on it
	if expiry := expiryOf(token); !expiry.IsZero() {
		next = min(next, max(time.Until(expiry)+time.Second, time.Second))
	}
	return next
}
