package http

import (
	nethttp "net/http"

	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// refusal is an answer that the proxy gives instead of the application.
type refusal struct {
	status  int
	verdict telemetry.Verdict
	reason  Reason
	// text is the body, for the client. detail is for the log and may name addresses.
	text, detail string
}

// Error makes a refusal an error of the parsers.
func (r *refusal) Error() string { return r.detail }

// deniedText is the body with which the model denies; programs look for it.
const deniedText = "RBAC: access denied"

// denied is the answer to a request that policy does not allow. Why is in the log and not told to the client.
func denied(reason Reason) *refusal {
	return &refusal{nethttp.StatusForbidden, telemetry.Denied, reason, deniedText, ""}
}

// badRequest refuses what cannot be read in exactly one way. detail says what is wrong and does not repeat what was sent.
func badRequest(detail string) *refusal {
	return &refusal{nethttp.StatusBadRequest, telemetry.Refused, ReasonBadRequest, detail, detail}
}

func notSupported(status int, detail string) *refusal {
	return &refusal{status, telemetry.Refused, ReasonNotSupported, detail, detail}
}

func tooLarge(status int, detail string) *refusal {
	return &refusal{status, telemetry.Refused, ReasonTooLarge, detail, detail}
}

// unreachable: the application did not take the connection.
func unreachable(err error) *refusal {
	return &refusal{nethttp.StatusServiceUnavailable, telemetry.Failed, ReasonUnreachable,
		"the application does not accept connections",
		"the application does not accept connections on the pod's address; does it listen on 127.0.0.1 only? " + err.Error()}
}

// badResponse: what the application answered is not HTTP that can be passed on.
func badResponse(detail string) *refusal {
	return &refusal{nethttp.StatusBadGateway, telemetry.Failed, ReasonBadResponse,
		"the application's answer is not valid HTTP", "the application's answer: " + detail}
}

// brokenOff: the application ended the connection before it had answered.
func brokenOff(err error) *refusal {
	return &refusal{nethttp.StatusBadGateway, telemetry.Failed, ReasonBrokenOff,
		"the application closed the connection before it answered",
		"the application closed the connection before it answered: " + err.Error()}
}

// clientGone: the client ended what it had begun.
func clientGone(detail string) *refusal {
	return &refusal{verdict: telemetry.Failed, reason: ReasonClientBrokeOff, detail: detail}
}
