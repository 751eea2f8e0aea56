package http

import "time"

// The budgets of a client. They are for what costs us and carries nothing; a client that also does work earns them back.
const (
	// Frames without content: SETTINGS, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE, empty DATA.
	h2FrameBurst = 2000
	h2FrameRate  = 200 // a second
	// h2FrameEarned is what a frame of DATA that we send and a request earn: each may be answered with a few.
	h2FrameEarned = 4
	// Requests given up before they were answered, by the client or because the client broke the rules. Every request that
	// runs to its end earns one: only who gives up most of what it asks for runs out.
	h2ResetBurst = 500
	h2ResetRate  = 100 // a second
)

// h2Budget is a token bucket.
type h2Budget struct {
	tokens, burst, rate float64
	last                time.Time
}

func newH2Budget(burst, rate float64) h2Budget {
	return h2Budget{tokens: burst, burst: burst, rate: rate}
}

// spend is false when there is nothing left.
func (b *h2Budget) spend(now time.Time) bool {
	if !b.last.IsZero() {
		b.earn(now.Sub(b.last).Seconds() * b.rate)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *h2Budget) earn(n float64) { b.tokens = min(b.burst, b.tokens+n) }
