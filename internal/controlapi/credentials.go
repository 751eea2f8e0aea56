package controlapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// The right to get Secrets is the one that identity Secrets need anyway; see controllers. Whether a workload may have one is
// asked each time.
//
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// Getter reads one object from the API server itself.
type Getter interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
}

// Times and bounds of reading credentials. They are not watched, since no cache may hold the Secrets of others.
const (
	rereadEvery   = 30 * time.Second
	unnamedRetry  = 250 * time.Millisecond
	secretTimeout = 10 * time.Second
	maxSecrets    = 16 // read at once
)

// suffixCA names the Secret that holds only the roots beside a credential.
const suffixCA = "-cacert"

// secretReader reads the Secrets that ServiceAccounts may read.
type secretReader struct {
	api     Creator
	secrets Getter
	slots   chan struct{}
}

func newSecretReader(api Creator, secrets Getter) *secretReader {
	return &secretReader{api: api, secrets: secrets, slots: make(chan struct{}, maxSecrets)}
}

// read is a credential of a ServiceAccount's own namespace. An error says that nobody has answered.
func (r *secretReader) read(ctx context.Context, id identity.ID, name string) (proxyconfig.Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return proxyconfig.Credential{}, ctx.Err()
	}
	data, problem, err := r.data(ctx, id, name)
	if err != nil {
		return proxyconfig.Credential{}, err
	}
	out := credentialFrom(name, data)
	if len(out.CACertificates) == 0 {
		// The roots may be in a Secret of their own. It need not be there.
		beside, besideProblem, err := r.data(ctx, id, name+suffixCA)
		if err != nil {
			return proxyconfig.Credential{}, err
		}
		if besideProblem == "" {
			roots := credentialFrom(name, beside)
			out.CACertificates, out.CACRL = roots.CACertificates, roots.CACRL
		}
	}
	switch {
	case len(out.CACertificates) > 0 || len(out.Certificate) > 0:
	case problem != "":
		return proxyconfig.Credential{Name: name, Problem: problem}, nil
	default:
		out.Problem = fmt.Sprintf("Secret %s/%s holds neither a certificate with its key nor roots: put tls.crt, tls.key and ca.crt into it", id.Namespace(), name)
	}
	return out, nil
}

// data is what a Secret holds, or why the ServiceAccount is not told.
func (r *secretReader) data(ctx context.Context, id identity.ID, name string) (map[string][]byte, string, error) {
	allowed, err := r.allowed(ctx, id, name)
	if err != nil {
		return nil, "", err
	}
	if !allowed {
		return nil, fmt.Sprintf("ServiceAccount %s/%s may not get Secret %s: bind a Role to it that may", id.Namespace(), id.ServiceAccount(), name), nil
	}
	secret := &corev1.Secret{}
	err = r.secrets.Get(ctx, types.NamespacedName{Namespace: id.Namespace(), Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Sprintf("Secret %s/%s does not exist", id.Namespace(), name), nil
	case err != nil:
		return nil, "", fmt.Errorf("read Secret %s/%s: %w", id.Namespace(), name, err)
	}
	return secret.Data, "", nil
}

// allowed asks whether the ServiceAccount may read the Secret by itself.
func (r *secretReader) allowed(ctx context.Context, id identity.ID, name string) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   "system:serviceaccount:" + id.Namespace() + ":" + id.ServiceAccount(),
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + id.Namespace(), "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: id.Namespace(), Verb: "get", Version: "v1", Resource: "secrets", Name: name,
		},
	}}
	if err := r.api.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking whether %s may get Secret %s: %w", id, name, err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}

// credentialFrom finds the keys that a Secret of either type has.
func credentialFrom(name string, data map[string][]byte) proxyconfig.Credential {
	first := func(keys ...string) []byte {
		for _, key := range keys {
			if len(data[key]) > 0 {
				return data[key]
			}
		}
		return nil
	}
	return proxyconfig.Credential{
		Name:           name,
		Certificate:    first(naming.FileCert, "cert"),
		PrivateKey:     first(naming.FileKey, "key"),
		CACertificates: first(naming.FileCA, "cacert"),
		CACRL:          first("ca.crl", "crl"),
	}
}

// keepCredentials tells a proxy of the credentials that it asks for, and of their changes.
func (s *Server) keepCredentials(ctx context.Context, session *session) {
	for {
		var again <-chan time.Time
		if delay := s.readCredentials(ctx, session); delay > 0 {
			again = time.After(delay)
		}
		select {
		case <-ctx.Done():
			return
		case <-session.credentialsAsked:
		case <-again:
		}
	}
}

// readCredentials reads all that a proxy asked for, and says when to read them again; 0 for not before it asks.
func (s *Server) readCredentials(ctx context.Context, session *session) time.Duration {
	var next time.Duration
	names, named, settled := session.wanted()
	for _, name := range names {
		if next == 0 {
			next = rereadEvery*3/4 + rand.N(rereadEvery/4) //nolint:gosec // no secret depends on it
		}
		if !slices.Contains(named, name) {
			if !settled { // an answer that names it may be on its way
				next = unnamedRetry
				continue
			}
			session.offer(proxyconfig.Credential{Name: name, Problem: "no DestinationRule for what this proxy dials names it"})
			continue
		}
		credential, err := s.secrets.read(ctx, session.identity, name)
		switch {
		case err == nil:
			session.offer(credential)
		case !errors.Is(err, context.Canceled):
			s.options.Log.Error(err, "Control API: a credential could not be read", "pod", session.pod.String(), "secret", name)
			session.offerFirst(proxyconfig.Credential{Name: name, Problem: "the API server does not answer about it"})
		}
	}
	return next
}

// wanted are the credentials that were asked for, those that any answer names, and whether all that was asked is answered.
func (s *session) wanted() (names, named []string, settled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.credentials {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, nil, true
	}
	for _, t := range s.watched {
		named = append(named, t.credentials...)
	}
	return names, named, len(s.fresh) == 0 && len(s.stale) == 0 && !s.working
}

// offer tells of a credential, if it is asked for and another than before.
func (s *session) offer(credential proxyconfig.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, asked := s.credentials[credential.Name]
	if !asked || before != nil && reflect.DeepEqual(*before, credential) {
		return
	}
	s.credentials[credential.Name] = &credential
	s.unsent[credential.Name] = struct{}{}
	raise(s.asked)
}

// offerFirst tells of a credential of which nothing was told yet.
func (s *session) offerFirst(credential proxyconfig.Credential) {
	s.mu.Lock()
	known := s.credentials[credential.Name] != nil
	s.mu.Unlock()
	if !known {
		s.offer(credential)
	}
}
