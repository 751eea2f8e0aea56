package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/cli/manifest"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

// source is where objects come from and the facts that no object carries.
type source struct {
	paths               []string
	kubeconfig, context string
	settings            policy.Settings
}

func (s *source) bind(fs *pflag.FlagSet) {
	fs.StringSliceVarP(&s.paths, "filename", "f", nil, "file, folder (recursively) or - for standard input; YAML or JSON. Without it the cluster is asked")
	fs.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig file, when a cluster is asked")
	fs.StringVar(&s.context, "context", "", "kubeconfig context, when a cluster is asked")
	fs.StringVar(&s.settings.RootNamespace, "root-namespace", naming.DefaultNamespace, "namespace of the operator, whose policies hold for the whole mesh")
	fs.StringVar(&s.settings.TrustDomain, "trust-domain", "cluster.local", "trust domain of the mesh")
	fs.StringVar(&s.settings.ClusterDomain, "cluster-domain", "cluster.local", "DNS suffix of Services")
}

// gather reads the objects; further arguments are paths too, so that -f takes what a shell expands.
func (s *source) gather(ctx context.Context, args []string, stdin io.Reader) (*manifest.Set, error) {
	if len(args) > 0 && len(s.paths) == 0 {
		return nil, fmt.Errorf("unexpected argument %q: name files with -f", args[0])
	}
	var (
		set *manifest.Set
		err error
	)
	if len(s.paths) > 0 {
		set, err = manifest.Read(append(s.paths, args...), stdin)
	} else {
		set, err = s.fromCluster(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.settings.Aliases = set.Aliases(s.settings.TrustDomain)
	return set, nil
}

func (s *source) fromCluster(ctx context.Context) (*manifest.Set, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no files (-f) and no cluster: %w", err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register kinds: %w", err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return manifest.FromCluster(ctx, c)
}
