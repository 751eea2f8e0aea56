package telemetry

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/warifu/warifu/internal/authz"
)

// appendLine writes an entry as one line of JSON. Members that have nothing to say are left out.
func appendLine(b []byte, e *Entry) []byte {
	o := append(object(b), '{').time("time", e.Start)
	o = o.text("direction", string(e.Direction)).text("protocol", e.Protocol)
	o = o.end("source", e.Source, e.SourceIdentity)
	o = o.end("destination", e.Destination, e.DestinationIdentity)
	o = o.text("service", e.Service).text("tls", e.TLSVersion)
	o = o.text("verdict", string(e.Verdict)).text("reason", e.Reason).text("detail", e.Detail)
	if e.DecidedBy != nil {
		o = o.text("decidedBy", e.DecidedBy.String())
		if e.Rule != authz.NoRule {
			o = o.number("rule", int64(e.Rule))
		}
	}
	o = o.reports(e.Reports)
	o = append(o.open("bytes", '{').number("sent", e.Sent).number("received", e.Received), '}')
	o = strconv.AppendFloat(o.key("durationMs"), float64(e.Duration)/float64(time.Millisecond), 'f', 3, 64)
	if e.isRequest() {
		o = o.open("http", '{').text("method", e.Method).text("host", e.Host).text("path", e.Path)
		o = append(o.number("status", int64(e.Status)), '}')
	}
	return append(o.text("requestId", e.RequestID), "}\n"...)
}

// appendSuppressed writes how many lines were held back.
func appendSuppressed(b []byte, count uint64, now time.Time) []byte {
	o := append(object(b), '{').time("time", now).number("suppressed", int64(count))
	o = o.text("detail", "more than "+strconv.Itoa(maxAlways)+" lines in a second of what is always logged; the metrics have counted all")
	return append(o, "}\n"...)
}

func (o object) end(name string, address netip.AddrPort, identity string) object {
	if !address.IsValid() && identity == "" {
		return o
	}
	o = o.open(name, '{')
	if address.IsValid() {
		o = append(o.key("address"), '"')
		o = append(address.AppendTo(o), '"')
	}
	return append(o.text("identity", identity), '}')
}

func (o object) reports(reports []authz.Report) object {
	if len(reports) == 0 {
		return o
	}
	o = o.open("reports", '[')
	for i, r := range reports {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, '{').text("policy", r.Object.String()).text("action", string(r.Action))
		o = strconv.AppendBool(o.number("rule", int64(r.Rule)).key("dryRun"), r.DryRun)
		o = append(o, '}')
	}
	return append(o, ']')
}
