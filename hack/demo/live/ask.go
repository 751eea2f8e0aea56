package live

import (
	"context"
	"slices"
	"strings"
	"time"
)

// client is a pod that asks web.
type client struct{ namespace, pod, url string }

var (
	passerBy = client{"street", "passer-by", "http://web.shop"}
	customer = client{"shop", "customer", "http://web"}
	courier  = client{"shop", "courier", "http://web"}
)

// outcome is how web answers, and how warifu explain calls that.
type outcome struct {
	texts   [][]string // one of each must be in the answer
	verdict string
}

var (
	served  = outcome{[][]string{{"200 OK"}}, "ALLOWED"}
	denied  = outcome{[][]string{{"403 Forbidden"}, {"RBAC: access denied"}}, "DENIED"}
	refused = outcome{[][]string{{"connection reset", "EOF", "broken pipe"}}, "REFUSED"}
)

// naming is the outcome where web's proxy tells web also who asks.
func (o outcome) naming(account string) outcome {
	id := "spiffe://cluster.local/ns/shop/sa/"
	o.texts = append(slices.Clone(o.texts), []string{"X-Forwarded-Client-Cert: By=" + id + "web;"}, []string{"URI=" + id + account + "\n"})
	return o
}

func (o outcome) fits(answer string) bool {
	return !slices.ContainsFunc(o.texts, func(any []string) bool {
		return !slices.ContainsFunc(any, func(text string) bool { return strings.Contains(answer, text) })
	})
}

// ask has a client ask web until the outcome is the one that must be: policies take a moment. Then it asks warifu explain.
func (d *Demo) ask(ctx context.Context, c client, want outcome, says string) error {
	line := "kubectl exec -n " + c.namespace + " " + c.pod + " -c app -- /hello get " + c.url
	d.report.Command(line)
	out, ok := until(ctx, line, want.fits)
	d.report.Block(out)

	line = "warifu explain --from " + c.namespace + "/" + c.pod + " --to shop/web:80 --method GET --path /"
	d.report.Command(line)
	out, same := until(ctx, line, func(out string) bool { return strings.HasPrefix(out, want.verdict+" ") })
	d.report.Block(out)
	verdict, _, _ := strings.Cut(out, " ")
	d.report.Check(ok && same, "%s; warifu explain: %s", says, verdict)
	return ctx.Err()
}

// until repeats a command until its answer is the one that must be, and returns the last one.
func until(ctx context.Context, line string, fits func(string) bool) (out string, ok bool) {
	const patience = 30 * time.Second
	for end := time.Now().Add(patience); ; {
		out = answer(ctx, line)
		if ok = fits(out); ok || ctx.Err() != nil || time.Now().After(end) {
			return out, ok
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}
