package live

import "testing"

func TestOutcomes(t *testing.T) {
	const named = "200 OK\nGET / at web-1\nX-Forwarded-Client-Cert: By=spiffe://cluster.local/ns/shop/sa/web;Hash=00;Subject=\"\";" +
		"URI=spiffe://cluster.local/ns/shop/sa/customer\nX-Request-Id: 1\n"
	for name, tc := range map[string]struct {
		want   outcome
		answer string
		fits   bool
	}{
		"served":                      {served, "200 OK\nGET / at web-1\n", true},
		"denied is not served":        {served, "403 Forbidden\nRBAC: access denied\n", false},
		"denied":                      {denied, "403 Forbidden\nRBAC: access denied\n", true},
		"denied by somebody else":     {denied, "403 Forbidden\nno\n", false},
		"reset":                       {refused, "hello: Get \"http://web\": read tcp 10.0.0.1:1->10.0.0.2:80: read: connection reset by peer\n", true},
		"hung up on":                  {refused, "hello: Get \"http://web\": EOF\n", true},
		"nobody there is no refusal":  {refused, "hello: Get \"http://web\": dial tcp: lookup web: no such host\n", false},
		"named":                       {served.naming("customer"), named, true},
		"another is named":            {served.naming("courier"), named, false},
		"one whose name begins so is": {served.naming("custom"), named, false},
		"nobody is named":             {served.naming("customer"), "200 OK\nGET / at web-1\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.want.fits(tc.answer); got != tc.fits {
				t.Errorf("%t, want %t: %s", got, tc.fits, tc.answer)
			}
		})
	}
}
