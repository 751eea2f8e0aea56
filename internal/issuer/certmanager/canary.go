package certmanager

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"sync"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

const (
	// canaryWait is how long nobody may approve the canary. cert-manager approves within a fraction of a second.
	canaryWait = 5 * time.Second
	// canaryAgain is how long after a canary that was approved, or a request that somebody else approved, the next one is sent:
	// somebody may have turned automatic approval off.
	canaryAgain = 30 * time.Second
)

// canary tries out whether requests to an issuer are approved automatically: a CertificateRequest that nobody has reason to
// approve, in the operator's own namespace. Were it signed after all, nobody has its key. Whoever approves what the canary did
// not show (cert-manager was down, or approves by namespace) is noticed by the first request that is approved, see refute.
type canary struct {
	options Options

	mu     sync.Mutex
	issuer Reference
	// request is out since made; "" where none is.
	request types.UID
	made    time.Time
	// proven says that the canary stayed alone, and from when on no request may have been approved by others, by the API
	// server's clock.
	proven bool
	from   time.Time
	// refuted is what proves the contrary, since when.
	refuted string
	since   time.Time
}

// sing takes the next step of the trial. Without a problem the proof stands.
func (c *canary) sing(ctx context.Context, ref Reference) (*issuer.UnusableError, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.issuer != ref {
		if err := c.end(ctx); err != nil {
			return nil, 0, err
		}
		c.issuer, c.proven, c.refuted = ref, false, ""
	}
	now := c.options.Now()
	switch {
	case c.proven:
		return nil, 0, nil
	case c.request == "" && c.refuted != "" && now.Before(c.since.Add(canaryAgain)):
		return c.problem(), c.since.Add(canaryAgain).Sub(now), nil
	case c.request == "":
		if err := c.send(ctx); err != nil {
			problem, err := forbidden(err)
			return problem, 0, err
		}
		return c.problem(), canaryWait, nil
	}
	return c.listen(ctx)
}

// listen looks at the canary that is out.
func (c *canary) listen(ctx context.Context) (*issuer.UnusableError, time.Duration, error) {
	now, request := c.options.Now(), &certmanagerv1.CertificateRequest{}
	err := c.options.Reader.Get(ctx, client.ObjectKey{Namespace: c.options.Namespace, Name: naming.RequestCanary}, request)
	if client.IgnoreNotFound(err) != nil {
		problem, err := forbidden(fmt.Errorf("read CertificateRequest %s/%s: %w", c.options.Namespace, naming.RequestCanary, err))
		return problem, 0, err
	}
	approved := requestCondition(request, certmanagerv1.CertificateRequestConditionApproved)
	switch {
	case err != nil || request.UID != c.request:
		c.request = "" // somebody removed it: send another
		return c.problem(), time.Second, nil
	case approved != nil:
		c.refuted = fmt.Sprintf("a CertificateRequest that nobody had reason to approve was approved (%s: %s)", approved.Reason, approved.Message)
		c.since = now
		return c.problem(), canaryAgain, c.end(ctx)
	case now.Before(c.made.Add(canaryWait)):
		return c.problem(), c.made.Add(canaryWait).Sub(now), nil
	}
	c.proven, c.from, c.refuted = true, request.CreationTimestamp.Time, ""
	return nil, 0, c.end(ctx)
}

// send makes the canary; one that an earlier process left is removed.
func (c *canary) send(ctx context.Context) error {
	request, err := canaryRequest(c.options.Namespace, c.issuer)
	if err != nil {
		return err
	}
	err = c.options.Writer.Create(ctx, request, client.FieldOwner(naming.FieldOwner))
	if apierrors.IsAlreadyExists(err) {
		leftover := &certmanagerv1.CertificateRequest{ObjectMeta: metav1.ObjectMeta{Namespace: request.Namespace, Name: request.Name}}
		if err := c.options.Writer.Delete(ctx, leftover); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("remove CertificateRequest %s/%s of an earlier trial: %w", request.Namespace, request.Name, err)
		}
		err = c.options.Writer.Create(ctx, request, client.FieldOwner(naming.FieldOwner))
	}
	if err != nil {
		return fmt.Errorf("create CertificateRequest %s/%s: %w", request.Namespace, request.Name, err)
	}
	c.request, c.made = request.UID, c.options.Now()
	return nil
}

// end removes the canary that is out.
func (c *canary) end(ctx context.Context) error {
	if c.request == "" {
		return nil
	}
	request := &certmanagerv1.CertificateRequest{ObjectMeta: metav1.ObjectMeta{Namespace: c.options.Namespace, Name: naming.RequestCanary}}
	if err := c.options.Writer.Delete(ctx, request, client.Preconditions{UID: &c.request}); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("remove CertificateRequest %s/%s: %w", request.Namespace, request.Name, err)
	}
	c.request = ""
	return nil
}

// forget ends the trial, and the proof with it.
func (c *canary) forget(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issuer, c.proven, c.refuted = Reference{}, false, ""
	return c.end(ctx)
}

// refute takes the proof back, where what was seen is later than it.
func (c *canary) refute(created time.Time, seen string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.proven || created.Before(c.from) {
		return false
	}
	c.proven, c.refuted, c.since = false, seen, c.options.Now()
	return true
}

// verdict is problem, for those who do not hold the lock.
func (c *canary) verdict() *issuer.UnusableError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem()
}

func (c *canary) problem() *issuer.UnusableError {
	if c.refuted == "" {
		return unusable(ApprovalUnproven, "trying out for %s whether somebody approves requests to %s %s automatically", canaryWait, c.issuer.Kind, c.issuer.Name)
	}
	return unusable(AutoApprovalOn, "%s, so anybody who may create CertificateRequests could have any identity; turn cert-manager's automatic approval off for %s %s (disableAutoApproval or approveSignerNames in its chart), or use the type CertManagerIntermediate",
		c.refuted, c.issuer.Kind, c.issuer.Name)
}

// canaryRequest asks for a certificate that is good for nothing, with a key that nobody keeps.
func canaryRequest(namespace string, ref Reference) (*certmanagerv1.CertificateRequest, error) {
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		return nil, fmt.Errorf("make a request for trial: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{naming.RequestCanary + ".invalid"}}, key)
	if err != nil {
		return nil, fmt.Errorf("make a request for trial: %w", err)
	}
	return &certmanagerv1.CertificateRequest{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: naming.RequestCanary,
			Labels: map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindCanary},
		},
		Spec: certmanagerv1.CertificateRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), IssuerRef: ref,
			Duration: &metav1.Duration{Duration: certmanagerv1.MinimumCertificateDuration},
			Usages:   []certmanagerv1.KeyUsage{certmanagerv1.UsageDigitalSignature},
		},
	}, nil
}

func requestCondition(r *certmanagerv1.CertificateRequest, kind certmanagerv1.CertificateRequestConditionType) *certmanagerv1.CertificateRequestCondition {
	for i := range r.Status.Conditions {
		if c := &r.Status.Conditions[i]; c.Type == kind && c.Status == cmmeta.ConditionTrue {
			return c
		}
	}
	return nil
}
