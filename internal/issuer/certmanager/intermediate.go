package certmanager

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// Intermediate signs with a CA that a cert-manager Issuer in the operator's namespace issues to it. What has been issued
// once serves until it expires, also while the issuer or cert-manager is away.
type Intermediate struct {
	*issuer.Keeper
	options Options
	wanted  atomic.Pointer[certmanagerv1.Certificate]
}

var _ issuer.Signer = (*Intermediate)(nil)

// NewIntermediate returns an issuer that has no CA yet.
func NewIntermediate(o Options) *Intermediate {
	return &Intermediate{Keeper: issuer.NewKeeper(o.Now), options: o}
}

// IntermediateSource says where the CA comes from.
type IntermediateSource struct {
	Issuer Reference
	// Roots in PEM. Where there are any, they alone are trusted.
	Roots string
	// Lifetime to ask for.
	Lifetime time.Duration
}

// Load asks cert-manager for the CA and reads what it has issued. The problem, if there is one, is of the issuer and
// cert-manager, and need not keep the CA from being used; an *issuer.UnusableError does.
func (i *Intermediate) Load(ctx context.Context, source IntermediateSource) (problem *issuer.UnusableError, err error) {
	want := intermediateCertificate(i.options.Namespace, source)
	i.wanted.Store(want)
	problem, err = i.request(ctx, want.DeepCopy())
	if err != nil {
		return nil, err
	}
	ca, err := i.read(ctx, source, problem)
	return problem, i.Keep(ca, err)
}

// Certificate is the Certificate as the last Load wanted it; nil before the first.
func (i *Intermediate) Certificate() *certmanagerv1.Certificate { return i.wanted.Load() }

// request makes the Certificate and says what is wrong.
func (i *Intermediate) request(ctx context.Context, want *certmanagerv1.Certificate) (*issuer.UnusableError, error) {
	o, ref := i.options, want.Spec.IssuerRef
	problem, err := o.installed()
	if problem != nil || err != nil {
		return problem, err
	}
	mapping, problem, err := o.kindOf(ref)
	if problem != nil || err != nil {
		return problem, err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return &issuer.UnusableError{Reason: IssuerNotNamespaced, Message: fmt.Sprintf(
			"every namespace can ask a %s for a CA; name an issuer in the namespace %s in spec.issuer.certManager.issuerRef", ref.Kind, o.Namespace)}, nil
	}
	have, problem, err := o.ensure(ctx, want)
	if problem != nil || err != nil {
		return problem, err
	}
	problem, err = o.check(ctx, ref, o.Namespace)
	if problem != nil || err != nil {
		return problem, err
	}
	progress := ProgressOf(have)
	if progress.Problem == nil && !progress.Settled && !o.Now().Before(progress.SlowAt) {
		return slow(have), nil
	}
	return progress.Problem, nil
}

// ensure makes a Certificate as wanted, and returns it as it is. One that somebody else made is left alone.
func (o Options) ensure(ctx context.Context, want *certmanagerv1.Certificate) (*certmanagerv1.Certificate, *issuer.UnusableError, error) {
	have := &certmanagerv1.Certificate{}
	err := o.Reader.Get(ctx, client.ObjectKeyFromObject(want), have)
	switch {
	case apierrors.IsNotFound(err):
		have = want
		err = o.Writer.Create(ctx, have, client.FieldOwner(naming.FieldOwner))
	case err == nil && have.Labels[naming.LabelManagedBy] != naming.ManagedBy:
		return nil, &issuer.UnusableError{Reason: NotOurs, Message: fmt.Sprintf(
			"Certificate %s/%s was not made by Warifu and is left alone; rename or delete it", have.Namespace, have.Name)}, nil
	case err == nil && !Same(have, want):
		have = Corrected(have, want)
		err = o.Writer.Update(ctx, have, client.FieldOwner(naming.FieldOwner))
	}
	if err != nil {
		problem, err := forbidden(fmt.Errorf("Certificate %s/%s: %w", want.Namespace, want.Name, err))
		return nil, problem, err
	}
	return have, nil, nil
}

// read reads the CA from the Secret that cert-manager writes.
func (i *Intermediate) read(ctx context.Context, source IntermediateSource, problem *issuer.UnusableError) (*pki.CA, error) {
	secret := &corev1.Secret{}
	err := i.options.Reader.Get(ctx, client.ObjectKey{Namespace: i.options.Namespace, Name: naming.SecretIntermediate}, secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", i.options.Namespace, naming.SecretIntermediate, err)
	}
	if len(secret.Data[naming.FileCert]) == 0 {
		if problem != nil {
			return nil, problem
		}
		return nil, &issuer.UnusableError{Reason: CANotIssued, Message: fmt.Sprintf(
			"cert-manager has not issued Certificate %s/%s yet", i.options.Namespace, naming.SecretIntermediate)}
	}
	ca, problem := assemble(pki.Files{
		Cert: secret.Data[naming.FileCert], Key: secret.Data[naming.FileKey], CA: secret.Data[naming.FileCA],
	}, source.Roots, i.options.Now())
	if problem != nil {
		problem.Message = fmt.Sprintf("Secret %s/%s: %s", secret.Namespace, secret.Name, problem.Message)
		return nil, problem
	}
	return ca, nil
}

// assemble makes a CA of what cert-manager wrote: tls.crt and ca.crt hold what the issuer tells, in whatever order, and
// ca.crt may be empty or hold no root.
func assemble(files pki.Files, configured string, now time.Time) (*pki.CA, *issuer.UnusableError) {
	chain, err := pki.ParseCertificates(files.Cert)
	if err != nil {
		return nil, unusable(issuer.CAUnreadable, "tls.crt: %v", err)
	}
	var told []*x509.Certificate
	if len(files.CA) > 0 {
		if told, err = pki.ParseCertificates(files.CA); err != nil {
			return nil, unusable(issuer.CAUnreadable, "ca.crt: %v", err)
		}
	}
	if !now.Before(chain[0].NotAfter) {
		return nil, unusable(issuer.CAUnusable, "CA certificate %q expired at %s", chain[0].Subject, chain[0].NotAfter.Format(time.RFC3339))
	}
	if pki.IsRoot(chain[0]) {
		return nil, unusable(RootMismatch, "the issuer makes self-signed certificates, so every renewal would be a new root that nobody trusts yet; use an issuer with a CA")
	}
	roots, problem := parseRoots(configured)
	if problem != nil {
		return nil, problem
	}
	if len(roots) == 0 {
		roots = rootsAmong(told)
	}
	if len(roots) == 0 {
		return nil, unusable(RootUnknown, "ca.crt holds no self-signed root, so the issuer does not tell whom to trust; put its root into spec.issuer.certManager.roots")
	}
	path, root, err := pki.Path(append(chain, told...), roots, now)
	if err != nil {
		return nil, unusable(RootMismatch, "the CA certificate does not lead to a trusted root: %v; correct spec.issuer.certManager.roots, or the issuer", err)
	}
	if configured == "" {
		roots = []*x509.Certificate{root} // what else ca.crt holds is nobody's wish
	}
	ca, err := pki.ParseCA(pki.Files{Cert: pki.EncodeCertificates(path...), Key: files.Key, CA: pki.EncodeCertificates(roots...)})
	if err != nil {
		return nil, unusable(issuer.CAUnreadable, "%v", err)
	}
	if err := ca.Usable(now); err != nil {
		return nil, unusable(issuer.CAUnusable, "%v", err)
	}
	return ca, nil
}

func rootsAmong(certs []*x509.Certificate) []*x509.Certificate {
	var roots []*x509.Certificate
	for _, cert := range certs {
		if pki.IsRoot(cert) {
			roots = append(roots, cert)
		}
	}
	return roots
}

// parseRoots reads spec.issuer.certManager.roots. One that has expired does no harm beside others.
func parseRoots(configured string) ([]*x509.Certificate, *issuer.UnusableError) {
	roots, err := pki.ParseRoots([]byte(configured), time.Time{})
	if err != nil {
		return nil, unusable(RootsInvalid, "spec.issuer.certManager.roots: %v", err)
	}
	return roots, nil
}

func unusable(reason issuer.Reason, format string, args ...any) *issuer.UnusableError {
	return &issuer.UnusableError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
