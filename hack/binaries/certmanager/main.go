// Command certmanager runs cert-manager's own controllers, as far as the tests need them, against the cluster of a kubeconfig:
// Certificates, CertificateRequests, and the issuers CA and SelfSigned. It ends with its standard input, so that it never
// outlives a test that was killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
)

// options are the program's flags.
type options struct {
	kubeconfig string
	namespace  string
	approve    bool
	backoff    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "the cluster")
	flag.StringVar(&o.namespace, "cluster-resource-namespace", "cert-manager", "where ClusterIssuers keep their Secrets")
	flag.BoolVar(&o.approve, "approve", true, "approve every CertificateRequest, as cert-manager does unless told otherwise")
	flag.DurationVar(&o.backoff, "minimum-backoff", time.Hour, "how long a Certificate waits after a request that failed")
	flag.Parse()

	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "certmanager:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         o.kubeconfig,
		KubernetesAPIQPS:   500,
		KubernetesAPIBurst: 1000,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: o.namespace},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*"},
			CertificateRequestMinimumBackoffDuration: o.backoff,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	})
	if err != nil {
		return err
	}
	// The informers are those of every context that the factory builds.
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	ended := make(chan error)
	running := 0
	for _, name := range slices.Sorted(maps.Keys(controller.Known())) {
		if name == approver.ControllerName && !o.approve {
			continue
		}
		c, err := controller.Known()[name](factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		running++
		go func() {
			if err := c.Run(5, ctx); err != nil {
				err = fmt.Errorf("%s: %w", name, err)
				ended <- err
				return
			}
			ended <- nil
		}()
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	fmt.Println("running")
	var all []error
	for range running {
		all = append(all, <-ended)
	}
	return errors.Join(all...)
}
