package controllers

import (
	"context"
	"errors"
	"sync"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/issuer/certmanager"
)

const (
	// issuerPoll is how often cert-manager's issuers are looked at. Their kinds may be anybody's, so they are not watched.
	issuerPoll = 15 * time.Second
	// intermediateLifetime is asked for where nobody chose a lifetime. Ten years, the default of a CA of our own, are too much
	// for a key that is not renewed by hand.
	intermediateLifetime = 2160 * time.Hour
)

// issuers are all that a TrustDomain can ask for, and which of them is in force.
type issuers struct {
	builtin      *issuer.Builtin
	intermediate *certmanager.Intermediate
	leaf         *certmanager.Leaf
	current      *issuer.Current

	watches *lateWatches
	// recheck has the TrustDomain looked at, review all requests to cert-manager.
	recheck, review signal
}

func newIssuers(mgr ctrl.Manager, o IdentityOptions) *issuers {
	options := certmanager.Options{
		Namespace: o.Namespace, TrustDomain: o.TrustDomain,
		Reader: mgr.GetAPIReader(), Writer: mgr.GetClient(), Kinds: mgr.GetRESTMapper(), Now: o.Now,
	}
	return &issuers{
		builtin: issuer.NewBuiltin(issuer.BuiltinOptions{
			Namespace: o.Namespace, TrustDomain: o.TrustDomain, Reader: mgr.GetAPIReader(), Creator: mgr.GetClient(), Now: o.Now,
		}),
		intermediate: certmanager.NewIntermediate(options),
		leaf:         certmanager.NewLeaf(options),
		current:      &issuer.Current{},
		watches:      &lateWatches{},
		recheck:      newSignal(), review: newSignal(),
	}
}

// loaded is what looking at the issuer has led to.
type loaded struct {
	// Err is why nothing can be issued, or that the API server did not answer.
	Err error
	// Problem is of cert-manager's part. What it issued before may still serve.
	Problem *issuer.UnusableError
	// LookAgain is when to look at the issuer again; 0 where it is watched.
	LookAgain time.Duration
}

// load brings the issuer that the TrustDomain asks for up to date and puts it in force, usable or not: nobody else signs.
// Switching is nothing but that, so whatever is to happen between two authorities belongs around the call of load.
func (i *issuers) load(ctx context.Context, object *v1alpha1.TrustDomain) loaded {
	spec := object.Spec.Issuer
	if spec.Type == v1alpha1.IssuerBuiltin || spec.Type == "" || spec.CertManager == nil {
		return i.use(ctx, i.builtin, loaded{Err: i.builtin.Load(ctx, builtinSource(object))})
	}
	l := loaded{LookAgain: issuerPoll}
	ref := certmanager.ReferenceOf(spec.CertManager)
	if spec.Type == v1alpha1.IssuerCertManagerIntermediate {
		l.Problem, l.Err = i.intermediate.Load(ctx, certmanager.IntermediateSource{
			Issuer: ref, Roots: spec.CertManager.Roots, Lifetime: intermediateLifetimeOf(object.Spec.CA),
		})
		return i.use(ctx, i.intermediate, i.watch(l))
	}
	again, err := i.leaf.Load(ctx, certmanager.LeafSource{Issuer: ref, Roots: spec.CertManager.Roots})
	if l.Err = err; again > 0 {
		l.LookAgain = again
	}
	errors.As(err, &l.Problem)
	return i.use(ctx, i.leaf, i.watch(l))
}

// use puts an issuer in force.
func (i *issuers) use(ctx context.Context, chosen issuer.Issuer, l loaded) loaded {
	before := i.current.Get()
	i.current.Use(chosen)
	if before == issuer.Issuer(i.leaf) && chosen != issuer.Issuer(i.leaf) {
		l.Err = errors.Join(l.Err, i.leaf.Leave(ctx))
	}
	return l
}

// watch begins to watch cert-manager's kinds where that can work.
func (i *issuers) watch(l loaded) loaded {
	if l.Problem == nil || l.Problem.Reason != certmanager.NotInstalled && l.Problem.Reason != certmanager.Forbidden {
		l.Err = errors.Join(l.Err, i.watches.begin())
	}
	return l
}

// builtinSource says where the built-in issuer's CA is. Roots in the status are those of a CA that once was: only where it
// never was one of ours is one made.
func builtinSource(object *v1alpha1.TrustDomain) issuer.CASource {
	from := object.Status.Issuer
	return issuer.CASource{
		SecretName: object.Spec.CA.SecretName,
		Make:       len(object.Status.Roots) == 0 || from != "" && from != v1alpha1.IssuerBuiltin,
		Lifetime:   lifetimeOr(object.Spec.CA.Lifetime, defaultCALifetime),
	}
}

// intermediateLifetimeOf is what to ask cert-manager for.
func intermediateLifetimeOf(ca v1alpha1.CASpec) time.Duration {
	if lifetime := lifetimeOr(ca.Lifetime, defaultCALifetime); lifetime != defaultCALifetime {
		return lifetime
	}
	return intermediateLifetime
}

// lateWatches are watches of kinds that may not exist: an informer of such a kind never starts. They begin together, once.
type lateWatches struct {
	mu      sync.Mutex
	pending []func() error
}

func (w *lateWatches) add(begin func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, begin)
}

func (w *lateWatches) begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pending) > 0 {
		if err := w.pending[0](); err != nil {
			return err
		}
		w.pending = w.pending[1:]
	}
	return nil
}
