package explain

import (
	"fmt"
	"strings"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// width of the text, in columns; label of its left column.
const (
	width = 100
	label = 15
)

// Text is the answer for people: one screen that says what happens, which object decided, and why.
func (a *Answer) Text() string {
	t := &text{}
	verdict := "REFUSED"
	switch {
	case a.Allowed:
		verdict = "ALLOWED"
	case a.Transport.Outcome != Refused:
		verdict = "DENIED"
	}
	t.row(verdict, "%s", a.Asked)
	t.row("  from", "%s", a.From)
	t.row("  to", "%s", a.To)
	t.blank()
	t.row("Client", "%s: %s", a.Client.Mode, a.clientDecision())
	t.row("Server", "%s: %s", a.Inbound.Mode, by(a.Inbound.DecidedBy, "the built-in default, as no PeerAuthentication sets a mode"))
	if !a.Inbound.Enforced {
		t.row("", "NOT ENFORCED. %s", a.Inbound.NotEnforcedReason)
	}
	t.row("Transport", "%s: %s", a.Transport.Outcome, a.Transport.Reason)
	t.row("Authorization", "%s: %s", a.authorizationDecision(), a.Authorization.Reason)
	a.textReports(t)
	for i, note := range a.Notes {
		if i == 0 {
			t.blank()
		}
		t.row("Note", "%s", note)
	}
	return t.String()
}

func (a *Answer) clientDecision() string {
	switch {
	case a.Client.DecidedBy != nil:
		return "decided by " + a.Client.DecidedBy.String()
	case a.Client.Auto:
		return "automatic, by what the endpoint can do; no DestinationRule sets a mode"
	}
	return "as asked; no policy guides this client"
}

func (a *Answer) authorizationDecision() string {
	switch {
	case a.Authorization.Allowed && a.Inbound.Enforced:
		return "allowed"
	case a.Authorization.Allowed:
		return "not asked"
	case a.Transport.Outcome == Refused:
		return "not reached"
	}
	return "denied"
}

func (a *Answer) textReports(t *text) {
	for i, r := range a.Reports {
		if i == 0 {
			t.blank()
		}
		t.row("Reported", "%s", report(r))
	}
}

func report(r authz.Report) string {
	where := r.Object.String()
	if r.Rule != authz.NoRule {
		where = fmt.Sprintf("rule %d of %s", r.Rule, where)
	}
	if r.DryRun {
		return fmt.Sprintf("%s matches (%s, dry run: decides nothing)", where, r.Action)
	}
	return fmt.Sprintf("%s matches (%s: decides nothing)", where, r.Action)
}

func by(ref *proxyconfig.ObjectRef, otherwise string) string {
	if ref == nil {
		return otherwise
	}
	return "decided by " + ref.String()
}

// text is rows of a label and wrapped words.
type text struct{ strings.Builder }

func (t *text) blank() { t.WriteByte('\n') }

func (t *text) row(name, format string, args ...any) {
	line := fmt.Sprintf("%-*s", label, name)
	empty := true
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		if !empty && len(line)+1+len(word) > width {
			t.WriteString(line + "\n")
			line, empty = strings.Repeat(" ", label), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	t.WriteString(strings.TrimRight(line, " ") + "\n")
}
