package certmanager

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// Leaf has cert-manager issue each workload certificate. It is usable once it is proven that requests are approved by nobody
// but us.
type Leaf struct {
	options Options
	canary  canary
	state   atomic.Pointer[leafState]
}

var _ issuer.Issuer = (*Leaf)(nil)

// leafState is what the last Load has led to.
type leafState struct {
	source   LeafSource
	roots    []*x509.Certificate
	unusable *issuer.UnusableError
	// namespaced: every namespace has an issuer of its own.
	namespaced bool
}

// LeafSource says who issues and whom to trust.
type LeafSource struct {
	Issuer Reference
	// Roots in PEM.
	Roots string
}

// NewLeaf returns an issuer that is not usable yet.
func NewLeaf(o Options) *Leaf {
	l := &Leaf{options: o, canary: canary{options: o}}
	l.state.Store(&leafState{unusable: &issuer.UnusableError{Reason: issuer.CANotLoaded, Message: "the issuer has not been looked at yet"}})
	return l
}

// Load looks whether cert-manager and the issuer are ready and, the first time, tries out whether somebody approves requests
// automatically, which takes some seconds: lookAgain, where it is not 0, is when to call Load again. An *issuer.UnusableError
// is kept: from then on nothing is asked for.
func (l *Leaf) Load(ctx context.Context, source LeafSource) (lookAgain time.Duration, err error) {
	next := &leafState{source: source}
	next.roots, next.unusable = parseRoots(source.Roots)
	switch {
	case next.unusable != nil:
	case len(next.roots) == 0:
		next.unusable = unusable(RootsInvalid, "spec.issuer.certManager.roots is empty, so nobody would be trusted")
	default:
		lookAgain, err = l.ready(ctx, next)
	}
	if err != nil {
		return 0, err
	}
	l.state.Store(next)
	if next.unusable != nil {
		return lookAgain, next.unusable
	}
	return 0, nil
}

// ready finds out what keeps cert-manager from being asked.
func (l *Leaf) ready(ctx context.Context, s *leafState) (lookAgain time.Duration, err error) {
	ref := s.source.Issuer
	if s.unusable, err = l.options.installed(); s.unusable != nil || err != nil {
		return 0, err
	}
	mapping, problem, err := l.options.kindOf(ref)
	if s.unusable = problem; problem != nil || err != nil {
		return 0, err
	}
	s.namespaced = mapping.Scope.Name() == meta.RESTScopeNameNamespace
	if s.unusable, lookAgain, err = l.canary.sing(ctx, ref); s.unusable != nil || err != nil {
		return lookAgain, err
	}
	if s.namespaced {
		return 0, nil // each namespace has its own, see Problem
	}
	s.unusable, err = l.options.check(ctx, ref, "")
	return 0, err
}

// Authority implements Issuer: the configured roots, and no signer.
func (l *Leaf) Authority() (pki.Authority, error) {
	s := l.state.Load()
	if s.unusable != nil {
		return pki.Authority{}, s.unusable
	}
	return pki.Authority{Roots: s.roots}, nil
}

// Roots are those that what is issued has to lead to.
func (l *Leaf) Roots() []*x509.Certificate { return l.state.Load().roots }

// Issuer is what the Certificates name.
func (l *Leaf) Issuer() Reference { return l.state.Load().source.Issuer }

// Namespaced says that every namespace has an issuer of its own.
func (l *Leaf) Namespaced() bool { return l.state.Load().namespaced }

// ApprovedByOthers says whether a request that somebody else approved proves that approval is not ours alone, and if so makes
// the issuer unusable. Requests from before the trial prove nothing.
func (l *Leaf) ApprovedByOthers(request string, created time.Time, reason string) bool {
	s := l.state.Load()
	if s.unusable != nil || !l.canary.refute(created, fmt.Sprintf("CertificateRequest %s was approved by somebody else (%s)", request, reason)) {
		return false
	}
	l.state.Store(&leafState{source: s.source, unusable: l.canary.verdict()})
	return true
}

// Leave ends what Load may have begun: another issuer is in force.
func (l *Leaf) Leave(ctx context.Context) error {
	l.state.Store(&leafState{unusable: &issuer.UnusableError{Reason: issuer.CANotLoaded, Message: "another issuer is in force"}})
	return l.canary.forget(ctx)
}

// Problem says why a Certificate that has taken too long has not been issued.
func (l *Leaf) Problem(ctx context.Context, sa *corev1.ServiceAccount) (*issuer.UnusableError, error) {
	problem, err := l.options.check(ctx, l.Issuer(), sa.Namespace)
	if problem != nil || err != nil {
		return problem, err
	}
	return &issuer.UnusableError{Reason: IssuanceSlow, Message: fmt.Sprintf(
		"cert-manager has been issuing Certificate %s/%s for more than %s; its CertificateRequest tells why, if cert-manager runs",
		sa.Namespace, naming.IssuedSecret(sa.Name), slowAfter)}, nil
}

// Offer is what cert-manager has issued, made into what an identity Secret holds; false where there is nothing yet. What
// cannot be made into that is handed on as it is, for pki.Judge to say why not.
func Offer(issued *corev1.Secret, roots []*x509.Certificate, now time.Time) (pki.Files, bool) {
	files := pki.Files{Cert: issued.Data[naming.FileCert], Key: issued.Data[naming.FileKey], CA: pki.EncodeCertificates(roots...)}
	if len(files.Cert) == 0 || len(files.Key) == 0 {
		return pki.Files{}, false
	}
	chain, err := pki.ParseCertificates(files.Cert)
	if err != nil {
		return files, true
	}
	// Intermediates that the issuer takes for roots.
	if told, err := pki.ParseCertificates(issued.Data[naming.FileCA]); err == nil {
		chain = append(chain, told...)
	}
	if path, _, err := pki.Path(chain, roots, now); err == nil {
		files.Cert = pki.EncodeCertificates(path...)
	}
	return files, true
}
