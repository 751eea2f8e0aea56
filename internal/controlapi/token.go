package controlapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create

// Creator sends a review to the API server, which answers in its status.
type Creator interface {
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
}

// Bounds of reviewing tokens. What was found holds for a moment, so that proxies that all come back at once, and again, do not
// flood the API server.
const (
	maxToken      = 16 << 10
	maxReviews    = 32
	reviewTimeout = 10 * time.Second
	reviewHolds   = 10 * time.Second
	maxRemembered = 2 * maxStreams
)

// claims that a token bound to a pod carries (Kubernetes, KEP-1205).
const (
	claimPodName = "authentication.kubernetes.io/pod-name"
	claimPodUID  = "authentication.kubernetes.io/pod-uid"
)

// bearer is what a token proves.
type bearer struct {
	pod types.NamespacedName
	uid string
}

// reviewer has the API server review tokens.
type reviewer struct {
	api   Creator
	slots chan struct{}

	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
}

type remembered struct {
	status authenticationv1.TokenReviewStatus
	until  time.Time
}

func newReviewer(api Creator) *reviewer {
	return &reviewer{api: api, slots: make(chan struct{}, maxReviews), known: map[[sha256.Size]byte]remembered{}}
}

// tokenOf is the token of a request.
func tokenOf(r *http.Request) (string, error) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || token == "" || len(token) > maxToken {
		return "", refusef(http.StatusUnauthorized, refusedToken,
			"the request has no token: send 'Authorization: Bearer' with a token of the pod for the audience %s", naming.ControlAudience)
	}
	return token, nil
}

// review says which pod a token proves, of the ServiceAccount that the certificate proves. A *refusal with status 401 or 403
// is the API server's answer, or ours; any other error is none.
func (v *reviewer) review(ctx context.Context, token string, id identity.ID, fresh bool) (bearer, error) {
	key := sha256.Sum256([]byte(token))
	status, ok := v.recall(key)
	if !ok || fresh {
		var err error
		if status, err = v.ask(ctx, token); err != nil {
			return bearer{}, err
		}
		v.remember(key, status)
	}
	return judge(status, id)
}

// ask has one token reviewed. No more than maxReviews are on their way at once.
func (v *reviewer) ask(ctx context.Context, token string) (authenticationv1.TokenReviewStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-ctx.Done():
		return authenticationv1.TokenReviewStatus{}, fmt.Errorf("waiting to have a token reviewed: %w", ctx.Err())
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{
		Token: token, Audiences: []string{naming.ControlAudience},
	}}
	if err := v.api.Create(ctx, review); err != nil {
		tokenReviews.WithLabelValues("failed").Inc()
		return authenticationv1.TokenReviewStatus{}, fmt.Errorf("having a token reviewed: %w", err)
	}
	result := "refused"
	if review.Status.Authenticated {
		result = "authenticated"
	}
	tokenReviews.WithLabelValues(result).Inc()
	return review.Status, nil
}

func (v *reviewer) recall(key [sha256.Size]byte) (authenticationv1.TokenReviewStatus, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.known[key]
	return known.status, ok && time.Now().Before(known.until)
}

func (v *reviewer) remember(key [sha256.Size]byte, status authenticationv1.TokenReviewStatus) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if len(v.known) >= maxRemembered {
		for key, known := range v.known {
			if !now.Before(known.until) {
				delete(v.known, key)
			}
		}
	}
	if len(v.known) < maxRemembered {
		v.known[key] = remembered{status: status, until: now.Add(reviewHolds)}
	}
}

// judge says which pod of the ServiceAccount was authenticated. Every doubt refuses: an API server that does not know audiences
// authenticates tokens that were made for others.
func judge(status authenticationv1.TokenReviewStatus, id identity.ID) (bearer, error) {
	no := func(code int, format string, args ...any) (bearer, error) {
		return bearer{}, refusef(code, refusedToken, format, args...)
	}
	if !status.Authenticated || status.Error != "" {
		return no(http.StatusUnauthorized, "the token is not valid: it has expired, its pod is gone, or it is for another audience than %s", naming.ControlAudience)
	}
	if !slices.Contains(status.Audiences, naming.ControlAudience) {
		return no(http.StatusUnauthorized, "the token is not for the audience %s", naming.ControlAudience)
	}
	if want := "system:serviceaccount:" + id.Namespace() + ":" + id.ServiceAccount(); status.User.Username != want {
		return no(http.StatusForbidden, "the token is of %q, the certificate of %s", cut(status.User.Username), id)
	}
	name, uid := only(status.User.Extra[claimPodName]), only(status.User.Extra[claimPodUID])
	if name == "" || uid == "" {
		return no(http.StatusForbidden, "the token is not bound to a pod: use one that is projected into the pod")
	}
	return bearer{pod: types.NamespacedName{Namespace: id.Namespace(), Name: name}, uid: uid}, nil
}

// only is the one value of a claim, or "".
func only(values authenticationv1.ExtraValue) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// expiryOf is when a token that the API server has accepted expires; zero where it does not tell. The token is not verified
// here, so nothing but the time of the next review may follow from it.
func expiryOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if json.Unmarshal(raw, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.Expires, 0)
}
