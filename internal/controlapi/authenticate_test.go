package controlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

// shorthands of the tests.
type (
	ack  = wire.Acknowledgement
	acks = wire.Acknowledgements
)

func nameOf(p policy.Workload) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

// call makes one request as an identity, as curl would, and returns the status and the refusal.
func (w *world) call(r *replica, as identity.ID, method, path, token, body string) (int, string) {
	w.t.Helper()
	config := mtls.ClientConfig(w.source(as), mtls.Verifier{Accept: mtls.OneOf(idOf(w.t, rootNS, naming.ServiceAccountOperator))})
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	transport := &http.Transport{TLSClientConfig: config, Protocols: &protocols}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+r.addr+path, bytes.NewBufferString(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return response.StatusCode, ""
	}
	var said wire.Refusal
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		w.t.Errorf("a refusal that is no JSON: %v", err)
	}
	return response.StatusCode, said.Error
}

const goodHello = `{"hello":{"schema":1}}` + "\n"

// TestWhoIsServed: a stream is for the pod that both certificate and token prove, and whose proxy is known; every doubt
// refuses.
func TestWhoIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	cart, plain, finished, earlier := pod("cart-1"), pod("plain"), pod("finished"), pod("cart-1")
	plain.Proxied, finished.Finished, earlier.UID = false, true, "uid-of-a-deleted-pod"
	for _, p := range []policy.Workload{cart, plain, finished} {
		r.index.SetWorkload(p)
	}
	unknown, foreign := pod("unknown"), pod("cart-1")
	foreign.Namespace, foreign.UID = "elsewhere", "uid-elsewhere"
	cartID, operatorID := idOf(t, "shop", "cart"), idOf(t, rootNS, naming.ServiceAccountOperator)
	good := w.token(cart, nil)

	tests := map[string]struct {
		as     identity.ID
		token  string
		status int
		says   string
	}{
		"the pod itself":                        {cartID, good, 200, ""},
		"no token":                              {cartID, "", 401, "has no token"},
		"a token that nobody issued":            {cartID, "made-up", 401, "not valid"},
		"a token of a deleted pod of this name": {cartID, w.token(earlier, nil), 403, "earlier pod"},
		"another ServiceAccount's token":        {idOf(t, "shop", "other"), good, 403, `the token is of "system:serviceaccount:shop:cart"`},
		"a token of another namespace":          {cartID, w.token(foreign, nil), 403, "the token is of"},
		"a pod that has finished":               {cartID, w.token(finished, nil), 403, "has finished"},
		"a pod without a proxy":                 {cartID, w.token(plain, nil), 403, "has no proxy"},
		"a pod that the index does not know":    {cartID, w.token(unknown, nil), 503, "not known"},
		"the operator is no workload":           {operatorID, good, 403, "may not do this"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, says := w.call(r, tt.as, http.MethodPost, wire.PathStream, tt.token, goodHello)
			if status != tt.status || !strings.Contains(says, tt.says) {
				t.Errorf("status %d %q, want %d %q", status, says, tt.status, tt.says)
			}
		})
	}
}

// TestJudge: what the API server says of a token is believed only where nothing is missing.
func TestJudge(t *testing.T) {
	w := newWorld(t)
	cart, id := pod("cart-1"), idOf(t, "shop", "cart")
	extra := func(key string, values ...string) func(*authenticationv1.TokenReviewStatus) {
		return func(s *authenticationv1.TokenReviewStatus) { s.User.Extra[key] = values }
	}
	tests := map[string]struct {
		spoil func(*authenticationv1.TokenReviewStatus)
		want  string
	}{
		"good":                            {nil, ""},
		"not authenticated":               {func(s *authenticationv1.TokenReviewStatus) { s.Authenticated = false }, "not valid"},
		"authenticated, and an error":     {func(s *authenticationv1.TokenReviewStatus) { s.Error = "but" }, "not valid"},
		"an API server without audiences": {func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil }, "audience"},
		"another audience":                {func(s *authenticationv1.TokenReviewStatus) { s.Audiences = []string{"https://kubernetes"} }, "audience"},
		"a user":                          {func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "cart" }, "the token is of"},
		"a username that ends early":      {func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "system:serviceaccount:" }, "the token is of"},
		"a username of nothing":           {func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "" }, "the token is of"},
		"a username with more parts":      {func(s *authenticationv1.TokenReviewStatus) { s.User.Username += ":more" }, "the token is of"},
		"no claims at all":                {func(s *authenticationv1.TokenReviewStatus) { s.User.Extra = nil }, "not bound to a pod"},
		"no pod's uid":                    {extra(claimPodUID), "not bound to a pod"},
		"an empty name":                   {extra(claimPodName, ""), "not bound to a pod"},
		"two names":                       {extra(claimPodName, "cart-1", "cart-2"), "not bound to a pod"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := judge(w.tokens[w.token(cart, tt.spoil)], id)
			switch {
			case tt.want == "" && (err != nil || got != bearer{nameOf(cart), cart.UID}):
				t.Errorf("got %+v, %v", got, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestRoles: what is not in the table is refused, whoever asks.
func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	cart, operator := idOf(t, "shop", "cart"), idOf(t, rootNS, naming.ServiceAccountOperator)
	for _, tt := range []struct {
		as           identity.ID
		method, path string
		want         int
	}{
		{operator, http.MethodGet, wire.PathAcknowledgements, 200},
		{cart, http.MethodGet, wire.PathAcknowledgements, 403},
		{operator, http.MethodPost, wire.PathAcknowledgements, 403},
		{cart, http.MethodGet, wire.PathStream, 403},
		{cart, http.MethodGet, "/", 403},
		{operator, http.MethodGet, "/debug/pprof/", 403},
		{cart, http.MethodPost, wire.PathStream + "/", 403},
		{idOf(t, "shop", naming.ServiceAccountOperator), http.MethodGet, wire.PathAcknowledgements, 403},
	} {
		if got, _ := w.call(r, tt.as, tt.method, tt.path, "", ""); got != tt.want {
			t.Errorf("%s %s as %s: status %d, want %d", tt.method, tt.path, tt.as, got, tt.want)
		}
	}
}

// TestHello: a stream does not begin without the schema version that the proxy understands.
func TestHello(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	cart := pod("cart-1")
	r.index.SetWorkload(cart)
	token := w.token(cart, nil)
	for body, want := range map[string]int{
		goodHello: 200,
		`{"hello":{"schema":2,"version":"newer"}}` + "\n": 200,
		`{"hello":{"schema":0}}` + "\n":                   400,
		`{"hello":{}}` + "\n":                             400,
		`{"watch":["192.0.2.1:80"]}` + "\n":               400,
		`{"hello":{"schema":1},"unknown":1}` + "\n":       400,
		`{"hello":{"schema":1}} trailing` + "\n":          400,
		"garbage\n":                                       400,
		"":                                                400,
		strings.Repeat("x", wire.MaxAsk+1):                400,
	} {
		if got, says := w.call(r, idOf(t, "shop", "cart"), http.MethodPost, wire.PathStream, token, body); got != want {
			t.Errorf("%.60q: status %d %q, want %d", body, got, says, want)
		}
	}
}

// TestReviewsAreRemembered: proxies that come back again and again do not flood the API server; an API server that is away is
// no verdict.
func TestReviewsAreRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v, id, token := newReviewer(w), idOf(t, "shop", "cart"), ""
	token = w.token(pod("cart-1"), nil)
	for range 10 {
		if _, err := v.review(t.Context(), token, id, false); err != nil {
			t.Fatal(err)
		}
	}
	if w.reviews != 1 {
		t.Errorf("%d reviews of one token", w.reviews)
	}
	if _, err := v.review(t.Context(), token, id, true); err != nil || w.reviews != 2 {
		t.Errorf("a fresh review was not asked for: %d reviews, %v", w.reviews, err)
	}
	w.down = true
	_, err := v.review(t.Context(), "another", id, false)
	var no *refusal
	if err == nil || !errors.As(unavailable(err), &no) || no.status != http.StatusServiceUnavailable {
		t.Errorf("an API server that is away: %v", no)
	}
}

// TestExpiryOf reads the time of expiry, of garbage none.
func TestExpiryOf(t *testing.T) {
	const token = "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln" // {"exp":1700000000}
	if got := expiryOf(token); got.Unix() != 1700000000 {
		t.Errorf("got %s", got)
	}
	for _, garbage := range []string{"", ".", "..", "a.b.c", "e30.e30.e30", "e30.eyJleHAiOiJzb29uIn0.e30", "e30.eyJleHAiOi0xfQ.e30", strings.Repeat(".", 100)} {
		if got := expiryOf(garbage); !got.IsZero() {
			t.Errorf("%q expires %s", garbage, got)
		}
	}
}
