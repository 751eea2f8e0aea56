package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// certificates shows what was issued to every ServiceAccount of the namespace.
func (d *demo) certificates(ctx context.Context) error {
	accounts := &corev1.ServiceAccountList{}
	if err := d.cluster.Client.List(ctx, accounts, client.InNamespace(shop)); err != nil {
		return err
	}
	d.report.Say("Every ServiceAccount of %s has a certificate, in a Secret that goes when the ServiceAccount goes. It says", shop)
	d.report.Say("who its holder is, by a SPIFFE ID, and nothing else. What stands in the Secrets' tls.crt:")
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SECRET\tSPIFFE ID\tKEY\tEXPIRES")
	for _, account := range accounts.Items {
		if err := d.certificate(ctx, table, &account); err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	d.report.Block(text.String())
	d.report.Check(true, "%d ServiceAccounts, %d certificates: right name, right owner, verified against the roots", len(accounts.Items), len(accounts.Items))
	return nil
}

// certificate waits for the certificate of one ServiceAccount, checks it and writes its line.
func (d *demo) certificate(ctx context.Context, table *tabwriter.Writer, account *corev1.ServiceAccount) error {
	id, err := identity.New(trustDomain, account.Namespace, account.Name)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: account.Namespace, Name: naming.IdentitySecret(account.Name)}
	err = d.until(ctx, "there is a Secret "+key.String(), func(ctx context.Context) error {
		return d.cluster.Client.Get(ctx, key, secret)
	})
	if err != nil {
		return err
	}
	expires, algorithm, err := verify(secret, id)
	if err != nil {
		return fmt.Errorf("secret %s: %w", key, err)
	}
	if !ownedBy(secret, account) {
		return fmt.Errorf("secret %s does not belong to its ServiceAccount", key)
	}
	fmt.Fprintf(table, "%s\t%s\t%s\t%s, in %s\n", secret.Name, id, algorithm,
		expires.UTC().Format(time.DateTime+"Z"), duration.HumanDuration(time.Until(expires).Round(time.Minute)))
	return nil
}

// verify is what a peer does with a certificate, in both roles.
func verify(secret *corev1.Secret, want identity.ID) (expires time.Time, algorithm pki.KeyAlgorithm, err error) {
	material, err := mtls.ParseMaterial(secret.Data[naming.FileCert], secret.Data[naming.FileKey], secret.Data[naming.FileCA])
	if err != nil {
		return expires, "", err
	}
	chain, err := pki.ParseCertificates(secret.Data[naming.FileCert])
	if err != nil {
		return expires, "", err
	}
	for _, usage := range chain[0].ExtKeyUsage {
		id, err := mtls.VerifyPeer(chain, material.Bundle, usage, time.Now())
		if err != nil {
			return expires, "", err
		}
		if id != want {
			return expires, "", fmt.Errorf("the certificate names %s; want %s", id, want)
		}
	}
	return chain[0].NotAfter, pki.AlgorithmOf(chain[0].PublicKey), nil
}

func ownedBy(object, owner client.Object) bool {
	for _, reference := range object.GetOwnerReferences() {
		if reference.UID == owner.GetUID() {
			return true
		}
	}
	return false
}
