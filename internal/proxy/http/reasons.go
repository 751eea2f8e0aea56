package http

// Reason says why a request was not answered as the application would, where no authorization policy decided. It is the Reason
// of a telemetry.Entry, next to those of package authz.
type Reason string

// What the proxy does not pass on, and answers itself.
const (
	// ReasonBadRequest: the request cannot be read in exactly one way (400).
	ReasonBadRequest Reason = "BadRequest"
	// ReasonNotSupported: the request asks for what the proxy does not carry, such as CONNECT.
	ReasonNotSupported Reason = "NotSupported"
	// ReasonTooLarge: the request's line or its fields are larger than the proxy takes.
	ReasonTooLarge Reason = "RequestTooLarge"
	// ReasonTimeout: the request's head did not arrive in time (408).
	ReasonTimeout Reason = "RequestTimeout"
)

// How a request ended that was passed on, or was to be.
const (
	// ReasonUnreachable: the application takes no connection (503); on a connection on which it has answered before, the client
	// is left to ask elsewhere.
	ReasonUnreachable Reason = "ApplicationUnreachable"
	// ReasonBadResponse: what the application answered is not HTTP that can be passed on (502).
	ReasonBadResponse Reason = "BadResponse"
	// ReasonBrokenOff: the application ended the connection before it had answered (502), or in the middle of its answer.
	ReasonBrokenOff Reason = "ApplicationBrokeOff"
	// ReasonClientBrokeOff: the client ended the connection or the stream before it had its answer.
	ReasonClientBrokeOff Reason = "ClientBrokeOff"
	// ReasonRevoked: a policy that changed does not allow what was under way.
	ReasonRevoked Reason = "PolicyChanged"
)
