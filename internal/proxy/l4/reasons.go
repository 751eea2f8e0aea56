package l4

// Reason says why a connection was refused, failed or was cut, where no authorization policy did it. It is the Reason of a
// telemetry.Entry, next to those of package authz.
type Reason string

// Why a connection was not taken, whichever way it was going.
const (
	// ReasonNoConfiguration: the proxy has never been told what this workload enforces.
	ReasonNoConfiguration Reason = "NoConfiguration"
	// ReasonNotRedirected: the connection was made to the proxy's own port, not to the application's.
	ReasonNotRedirected Reason = "NotRedirected"
	// ReasonTooManyConnections: the limit of open connections is reached.
	ReasonTooManyConnections Reason = "TooManyConnections"
	// ReasonTooManyHandshakes: no place among the handshakes under way became free in time.
	ReasonTooManyHandshakes Reason = "TooManyHandshakes"
	// ReasonShutdown: the proxy is ending, and the time for connections to finish is over.
	ReasonShutdown Reason = "ShuttingDown"
)

// Why a client of the workload was not let in.
const (
	// ReasonSilent: the client sent nothing where it has to speak first.
	ReasonSilent Reason = "ClientSilent"
	// ReasonHelloUnreadable: the client began like TLS, and its ClientHello could not be read to its end.
	ReasonHelloUnreadable Reason = "ClientHelloUnreadable"
	// ReasonLateHello: a ClientHello of the mesh came after so long a silence that the connection was taken for plaintext.
	ReasonLateHello Reason = "ClientHelloTooLate"
	// ReasonAppUnreachable: the application does not listen on the port, or takes no connection.
	ReasonAppUnreachable Reason = "ApplicationUnreachable"
)

// How a TLS handshake failed.
const (
	// ReasonNoIdentity: the workload has no certificate of its own, or no trust bundle.
	ReasonNoIdentity Reason = "NoIdentity"
	// ReasonNoPeerCertificate: the client showed no certificate.
	ReasonNoPeerCertificate Reason = "NoPeerCertificate"
	// ReasonPeerNotAccepted: the peer's certificate is not trusted, or proves an identity that is not accepted here.
	ReasonPeerNotAccepted Reason = "PeerNotAccepted"
	// ReasonRefusedByPeer: the peer ended the handshake, or refused our certificate.
	ReasonRefusedByPeer Reason = "RefusedByPeer"
	// ReasonHandshakeTimeout: the peer did not finish the handshake in time.
	ReasonHandshakeTimeout Reason = "HandshakeTimeout"
	// ReasonHandshakeFailed: the handshake failed in another way, such as TLS versions that do not meet.
	ReasonHandshakeFailed Reason = "HandshakeFailed"
)

// Why a connection of the workload did not get out.
const (
	// ReasonPassedThrough: the address is of nobody in the cluster; the connection passed untouched.
	ReasonPassedThrough Reason = "PassedThrough"
	// ReasonConnected: the connection went to an endpoint of a known address.
	ReasonConnected Reason = "Connected"
	// ReasonControlUnavailable: nobody could be asked about an address within the cluster's ranges.
	ReasonControlUnavailable Reason = "ControlUnavailable"
	// ReasonNoEndpoints: the Service has no endpoint that this client may use.
	ReasonNoEndpoints Reason = "NoEndpoints"
	// ReasonNoExpectedIdentities: mutual TLS is due, and nobody knows whom the endpoint should prove to be.
	ReasonNoExpectedIdentities Reason = "NoExpectedIdentities"
	// ReasonTLSUnusable: the files or the Secret that a DestinationRule names cannot be used.
	ReasonTLSUnusable Reason = "ClientTLSUnusable"
	// ReasonEndpointUnreachable: no endpoint that was tried took the connection.
	ReasonEndpointUnreachable Reason = "EndpointUnreachable"
)

// Why an open connection ended.
const (
	// ReasonBroken: one of the two ends broke off.
	ReasonBroken Reason = "ConnectionBroken"
	// ReasonTruncated: a peer of the mesh ended its connection without saying so within TLS; anyone on the way may have cut it.
	ReasonTruncated Reason = "Truncated"
	// ReasonIdle: nothing was sent either way for the idle timeout.
	ReasonIdle Reason = "IdleTimeout"
	// ReasonExpiring: a certificate with which the connection was opened is about to expire.
	ReasonExpiring Reason = "CertificateExpiring"
	// ReasonModeChanged: the port is handled in another way now: its mode, or whether it carries HTTP.
	ReasonModeChanged Reason = "ModeChanged"
	// ReasonTrustChanged: what the peer proved is not accepted any more.
	ReasonTrustChanged Reason = "TrustChanged"
	// ReasonDestinationChanged: the endpoint is to be reached in another way now, such as with TLS, or to prove somebody else.
	ReasonDestinationChanged Reason = "DestinationChanged"
)
