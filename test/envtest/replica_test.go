// Package envtest_test runs the whole operator on a real API server, with the rights and the settings that the chart gives
// it.
package envtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// installed is the chart on a control plane. The API server calls the webhook at a port of this machine.
type installed struct {
	*cluster.Cluster
	webhook string // host:port
}

// install applies the chart as Helm does.
func install(t *testing.T, c *cluster.Cluster) installed {
	t.Helper()
	in := installed{c, freeAddress(t)}
	rendered, err := chart.Render(chart.Options{Values: map[string]any{
		"webhook":   map[string]any{"url": "https://" + in.webhook},
		"dataPlane": naming.DataPlaneNone, // no kubelet starts a proxy here; tests say where there is one
	}})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rendered.Objects()
	if err != nil {
		t.Fatal(err)
	}
	in.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.DefaultNamespace}})
	for _, o := range objects {
		err := c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership)
		if err != nil {
			t.Fatalf("applying %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
	return in
}

func (in installed) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := in.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

// config is the chart's configuration file, at ports of this machine.
func (in installed) config(t *testing.T, webhook string) app.Config {
	t.Helper()
	var file corev1.ConfigMap
	if err := in.Client.Get(t.Context(), client.ObjectKey{Namespace: naming.DefaultNamespace, Name: "warifu-operator"}, &file); err != nil {
		t.Fatal(err)
	}
	config := app.DefaultConfig()
	if err := yaml.UnmarshalStrict([]byte(file.Data["config.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(webhook)
	if err != nil {
		t.Fatal(err)
	}
	config.Namespace = naming.DefaultNamespace
	config.Webhook.Host = host
	if config.Webhook.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	config.Health.Address, config.Metrics.Address = freeAddress(t), freeAddress(t)
	if _, port, err = net.SplitHostPort(freeAddress(t)); err != nil {
		t.Fatal(err)
	}
	if config.Control.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	return config
}

// replica is one operator.
type replica struct {
	config app.Config
	writes *writes
	// stop asks it to end, as SIGTERM does, and returns what Run did.
	stop func() error
	// ended has what Run returned.
	ended chan error
}

// start starts a replica with the rights of the chart's ServiceAccount, and waits until it is ready. What it logs is shown
// when the test fails.
func (in installed) start(t *testing.T, webhook string) *replica {
	t.Helper()
	access, err := in.As(t.Context(), naming.DefaultNamespace, naming.ServiceAccountOperator)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{config: in.config(t, webhook), writes: &writes{}, ended: make(chan error, 1)}
	access.Wrap(r.writes.record)
	log := &lines{}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.ended)
		r.ended <- app.Run(ctx, r.config, app.Options{Client: access, Log: log.logger()})
	}()
	r.stop = func() error { cancel(); return <-r.ended }
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the operator ended with: %v", err)
		}
		if t.Failed() || testing.Verbose() {
			t.Logf("log of the operator at %s:\n%s", webhook, log)
		}
	})
	eventually(t, "readiness", func(ctx context.Context) (string, bool) {
		return get(ctx, http.DefaultClient, "http://"+r.config.Health.Address+"/readyz", "")
	})
	return r
}

// writes are the requests of a replica that change something: all but those by which it asks who leads and who may scrape.
type writes struct {
	mu   sync.Mutex
	made []string
}

func (w *writes) record(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		harmless := []string{"/leases", "/tokenreviews", "/subjectaccessreviews", "/events"}
		if r.Method != http.MethodGet && !slices.ContainsFunc(harmless, func(part string) bool { return strings.Contains(r.URL.Path, part) }) {
			w.mu.Lock()
			w.made = append(w.made, r.Method+" "+r.URL.Path)
			w.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

func (w *writes) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.made)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// lines collects a log; a replica may log after its test has ended.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		fmt.Fprintln(&l.text, time.Now().Format(time.StampMilli), args)
	}, funcr.Options{})
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// get asks a URL; seen is the status and the beginning of the answer.
func get(ctx context.Context, c *http.Client, url, token string) (seen string, ok bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error(), false
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.Do(request)
	if err != nil {
		return err.Error(), false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err.Error(), false
	}
	return response.Status + "\n" + string(body), response.StatusCode == http.StatusOK
}

// eventually polls until the condition holds; without it within a minute the test fails, saying what was seen last.
func eventually(t *testing.T, what string, holds func(context.Context) (seen string, ok bool)) {
	t.Helper()
	var seen string
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (ok bool, _ error) {
		seen, ok = holds(ctx)
		return ok, nil
	})
	if err != nil {
		t.Fatalf("%s: still %s", what, seen)
	}
}

// freeAddress is an address of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// tokenOf is a token of a ServiceAccount.
func (in installed) tokenOf(t *testing.T, namespace, name string) string {
	t.Helper()
	config, err := in.As(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return config.BearerToken
}
