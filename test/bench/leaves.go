package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/certmanager"
)

// meshIssuer is the ClusterIssuer, and certManagerNamespace where cert-manager looks for its Secret.
const (
	meshIssuer           = "mesh"
	certManagerNamespace = "cert-manager"
)

func builtinNamespaceName(i int) string { return fmt.Sprintf("builtin-%d", i) }
func leafNamespaceName(i int) string    { return fmt.Sprintf("leaf-%d", i) }

// certManager measures cert-manager's leaf mode beside the built-in issuer, on a control plane on which nothing else is: a
// change of the issuer replaces every identity there is. cert-manager's own controllers run, without the part that
// approves everything.
func (m *measuring) certManager() []step {
	var running *certmanager.Process
	var builtin float64
	return []step{
		{"an idle operator, for cert-manager", m.idle},
		{"identities, by the built-in issuer", func(ctx context.Context) (err error) {
			if err = m.accounts(ctx, m.leaves, builtinNamespaceName); err == nil {
				builtin, _, err = m.issued(ctx, m.leaves)
			}
			return err
		}},
		{"their removal", m.removeBuiltin},
		{"cert-manager", func(ctx context.Context) (err error) {
			if running, err = certmanager.Start(m.Cluster, certmanager.Options{}); err == nil {
				err = m.askCertManager(ctx)
			}
			return err
		}},
		{"identities, by cert-manager", func(ctx context.Context) error {
			if err := m.accounts(ctx, m.leaves, leafNamespaceName); err != nil {
				return err
			}
			rate, whole, err := m.issued(ctx, m.leaves)
			if err != nil {
				return err
			}
			m.add(line{
				what: fmt.Sprintf("%d identities from cold by cert-manager's leaf mode, against the built-in issuer", m.leaves),
				is: fmt.Sprintf("%.3f× (%.1f/s, built-in %.0f/s; with the start of the operator %.1f/s)",
					rate/builtin, rate, builtin, whole),
			})
			return running.Stop()
		}},
	}
}

// removeBuiltin opts the namespaces out and waits until their identities are gone.
func (m *measuring) removeBuiltin(ctx context.Context) error {
	for i := range m.leaves / perNamespace {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: builtinNamespaceName(i)}}
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, naming.LabelInjection)
		if err := m.admin.Patch(ctx, namespace, client.RawPatch("application/merge-patch+json", patch)); err != nil {
			return err
		}
	}
	return m.until(ctx, "no identity is left but the operator's own", func(ctx context.Context) error {
		var left metav1.PartialObjectMetadataList
		left.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
		err := m.admin.List(ctx, &left, client.MatchingLabels{naming.LabelKind: naming.KindIdentity})
		foreign := slices.DeleteFunc(left.Items, func(o metav1.PartialObjectMetadata) bool { return o.Namespace == naming.DefaultNamespace })
		if err == nil && len(foreign) > 0 {
			err = fmt.Errorf("%d are", len(foreign))
		}
		return err
	})
}

// askCertManager makes an issuer with a root of its own, has the TrustDomain ask for it, and stops the operator, which was
// needed to admit the change.
func (m *measuring) askCertManager(ctx context.Context) error {
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "mesh root", Algorithm: pki.ECDSAP256, Lifetime: 1000 * time.Hour}, time.Now())
	if err != nil {
		return err
	}
	files, err := ca.Files()
	if err != nil {
		return err
	}
	if err := m.namespace(ctx, certManagerNamespace, nil); err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: certManagerNamespace, Name: meshIssuer}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{naming.FileCert: files.Cert, naming.FileKey: files.Key},
	}
	issuer := &certmanagerv1.ClusterIssuer{ObjectMeta: metav1.ObjectMeta{Name: meshIssuer}, Spec: certmanagerv1.IssuerSpec{
		IssuerConfig: certmanagerv1.IssuerConfig{CA: &certmanagerv1.CAIssuer{SecretName: meshIssuer}},
	}}
	for _, object := range []client.Object{secret, issuer} {
		if err := m.admin.Create(ctx, object); err != nil {
			return err
		}
	}
	domain := &v1alpha1.TrustDomain{}
	if err := m.admin.Get(ctx, client.ObjectKey{Name: "cluster.local"}, domain); err != nil {
		return err
	}
	before := domain.DeepCopy()
	domain.Spec.Issuer = v1alpha1.IssuerSpec{Type: v1alpha1.IssuerCertManagerLeaf, CertManager: &v1alpha1.CertManagerSpec{
		IssuerRef: v1alpha1.IssuerReference{Kind: "ClusterIssuer", Name: meshIssuer}, Roots: string(files.CA),
	}}
	if err := m.admin.Patch(ctx, domain, client.MergeFrom(before)); err != nil {
		return err
	}
	return m.operator.end()
}
