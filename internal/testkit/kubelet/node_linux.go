package kubelet

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/testkit/podnet"
)

// patience is how long a pod may take to start, and to be cleaned up, on a loaded machine.
const patience = time.Minute

// Options of a node.
type Options struct {
	// Network has the pods.
	Network *podnet.Node
	// Client is an administrator's.
	Client client.Client
	// Proxy is the path of the program that the proxy's image would start; needed where pods are injected.
	Proxy string
	// Labels of the Node, such as its zone.
	Labels map[string]string
}

// Node is a Node of the cluster. Its methods may be called by many goroutines.
type Node struct {
	// Name of the Node in the cluster.
	Name string

	options Options
}

// New registers a node with the cluster, which is taken off when the test has ended.
func New(t testing.TB, o Options) *Node {
	t.Helper()
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-", Labels: o.Labels}}
	if err := o.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("registering a node: %v", err)
	}
	n := &Node{Name: object.Name, options: o}
	cleanup(t, "node "+n.Name, func(ctx context.Context) error { return o.Client.Delete(ctx, object) })
	return n
}

// Run starts a pod that is stored in the cluster, and returns when its proxy, if it has one, has passed its startup probe and
// the cluster knows that the pod is ready. Its application has not started: see Pod.Start. When the test ends, everything of
// the pod is gone; with Pod.Stop it goes gracefully before.
func (n *Node) Run(t testing.TB, stored *corev1.Pod) *Pod {
	t.Helper()
	p := n.Launch(t, stored)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.AwaitStarted(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.SetReady(ctx, true); err != nil {
		t.Fatal(err)
	}
	return p
}

// Launch starts a pod as Run does, and waits neither for its proxy nor says that it is ready.
func (n *Node) Launch(t testing.TB, stored *corev1.Pod) *Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := &Pod{node: n, dir: t.TempDir(), object: stored.DeepCopy()}
	if err := p.bind(ctx); err != nil {
		t.Fatal(err)
	}
	cleanup(t, p.name(), p.forget)
	p.Net = n.options.Network.Pod(t, stored.Namespace+"/"+stored.Name)
	if err := p.hasAddress(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.awaitVolumes(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.redirect(ctx); err != nil {
		t.Fatal(err)
	}
	p.StartProxy(t)
	return p
}

// cleanup does at the end of the test what must be done even when the test was cancelled.
func cleanup(t testing.TB, what string, f func(ctx context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := f(ctx); err != nil {
			t.Error(fmt.Errorf("removing %s: %w", what, err))
		}
	})
}
