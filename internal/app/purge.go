package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// newPurgeCommand deletes what the operator made. The chart runs it after everything else is uninstalled, if told so; whoever
// installed in another way runs it by hand. The kinds and their objects are not of its making and stay.
func newPurgeCommand(kubeconfig *string) *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Deletes what the operator made: identities, CAs and webhook configurations. Uninstall the operator first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			namespace, err := findNamespace(namespace, os.Getenv, namespaceFile)
			if err != nil {
				return err
			}
			config, err := clientConfig(*kubeconfig)
			if err != nil {
				return err
			}
			config.QPS = -1
			known, err := newScheme()
			if err != nil {
				return err
			}
			c, err := client.New(config, client.Options{Scheme: known})
			if err != nil {
				return err
			}
			return purge(cmd.Context(), c, namespace, func(what string) { fmt.Fprintln(cmd.OutOrStdout(), "deleted", what) })
		},
	}
	cmd.Flags().StringVar(&namespace, "namespace", "", "namespace of the operator (default: POD_NAMESPACE, else the pod's own)")
	return cmd
}

// purge deletes the webhook configurations first, so that no pod waits for an operator that is gone, then what is ours in all
// namespaces. What has disappeared meanwhile, or is of a kind that the cluster does not have, is no error.
func purge(ctx context.Context, c client.Client, namespace string, deleted func(string)) error {
	registration := schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}
	coordination := schema.GroupVersion{Group: "coordination.k8s.io", Version: "v1"}
	for _, o := range []*metav1.PartialObjectMetadata{
		object(registration.WithKind("MutatingWebhookConfiguration"), "", naming.WebhookMutating),
		object(registration.WithKind("ValidatingWebhookConfiguration"), "", naming.WebhookValidator),
		object(coordination.WithKind("Lease"), namespace, naming.LeaseOperator),
	} {
		if err := remove(ctx, c, o, deleted); err != nil {
			return err
		}
	}
	// Certificates before Secrets: cert-manager makes the Secret of a Certificate again.
	certManager := schema.GroupVersion{Group: "cert-manager.io", Version: "v1"}
	for _, kind := range []schema.GroupVersionKind{
		certManager.WithKind("Certificate"), certManager.WithKind("CertificateRequest"),
		{Version: "v1", Kind: "Secret"},
	} {
		if err := removeOurs(ctx, c, kind, namespace, deleted); err != nil {
			return err
		}
	}
	return nil
}

// removeOurs deletes the objects of a kind that we made. It reads their metadata alone, never a key.
func removeOurs(ctx context.Context, c client.Client, kind schema.GroupVersionKind, namespace string, deleted func(string)) error {
	selector, err := labels.Parse(naming.LabelManagedBy + "=" + naming.ManagedBy + "," + naming.LabelKind)
	if err != nil {
		return err
	}
	const page = 500
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	for {
		err := c.List(ctx, list, client.MatchingLabelsSelector{Selector: selector}, client.Limit(page), client.Continue(list.Continue))
		if meta.IsNoMatchError(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listing what is ours of kind %s: %w", kind.Kind, err)
		}
		var failed []error
		for i := range list.Items {
			o := &list.Items[i]
			o.SetGroupVersionKind(kind)
			if isOurs(o, namespace) {
				failed = append(failed, remove(ctx, c, o, deleted))
			}
		}
		if err := errors.Join(failed...); err != nil || list.Continue == "" {
			return err
		}
	}
}

// isOurs tells what we made from what somebody else gave our labels: it is in the operator's namespace, or belongs to the
// ServiceAccount that it is named after.
func isOurs(o *metav1.PartialObjectMetadata, namespace string) bool {
	if o.Namespace == namespace {
		return slices.Contains([]string{naming.KindCA, naming.KindCanary, naming.KindWebhook}, o.Labels[naming.LabelKind])
	}
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.APIVersion == "v1" && owner.Kind == "ServiceAccount" &&
		(o.Name == naming.IdentitySecret(owner.Name) || o.Name == naming.IssuedSecret(owner.Name))
}

// remove deletes one object; where its uid is known, exactly that one.
func remove(ctx context.Context, c client.Client, o *metav1.PartialObjectMetadata, deleted func(string)) error {
	var options []client.DeleteOption
	if o.UID != "" {
		options = append(options, client.Preconditions{UID: &o.UID})
	}
	name := o.Kind + " " + client.ObjectKeyFromObject(o).String()
	err := c.Delete(ctx, o, options...)
	switch {
	case err == nil:
		deleted(name)
	case client.IgnoreNotFound(err) != nil && !meta.IsNoMatchError(err):
		return fmt.Errorf("deleting %s: %w", name, err)
	}
	return nil
}

func object(kind schema.GroupVersionKind, namespace, name string) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	o.SetGroupVersionKind(kind)
	return o
}
