package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// measuring is what the measurements share.
type measuring struct {
	options
	*report
	*cluster.Cluster
	dir    string
	admin  client.Client // without a limit of its own
	access *rest.Config  // the operator's

	config, kubeconfig string // files of the operator
	health             string // host:port
	operator           *operator
	profile            string // that is being made

	idleHeap  stats
	bareDone  int
	bareTime  time.Duration
	coldRate  float64
	coldWhole float64
}

// start starts a control plane and installs the chart with the values, and reached by URL. Priority and fairness is on, as everywhere: the bare loop has the
// operator's account and so its priority level.
func start(ctx context.Context, o options, values map[string]any) (*measuring, error) {
	m := &measuring{options: o}
	var err error
	m.Cluster, err = cluster.Start(ctx, cluster.Options{InstallCRDs: true, APIServerArgs: map[string]string{
		"enable-priority-and-fairness": "true", "max-requests-inflight": "400", "max-mutating-requests-inflight": "200",
	}})
	if err != nil {
		return nil, err
	}
	if m.dir, err = os.MkdirTemp("", "warifu-bench-"); err == nil {
		err = m.install(ctx, values)
	}
	if err != nil {
		m.stop()
		return nil, err
	}
	return m, nil
}

// stop ends the operator first, so that it does not see its API server vanish.
func (m *measuring) stop() {
	if m.operator != nil {
		_ = m.operator.end()
	}
	if err := m.Cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(m.dir)
}

// install applies the chart and writes the operator's files: its rights and its settings are those of the chart.
func (m *measuring) install(ctx context.Context, values map[string]any) error {
	webhook, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	all := map[string]any{"webhook": map[string]any{"url": "https://" + webhook}}
	maps.Copy(all, values)
	rendered, err := chart.Render(chart.Options{Values: all})
	if err != nil {
		return err
	}
	objects, err := rendered.Objects()
	if err != nil {
		return err
	}
	if m.admin, err = client.New(unlimited(m.Config), client.Options{Scheme: m.Client.Scheme()}); err != nil {
		return err
	}
	if err := m.namespace(ctx, naming.DefaultNamespace, nil); err != nil {
		return err
	}
	for _, o := range objects {
		if err := m.admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	access, err := m.As(ctx, naming.DefaultNamespace, naming.ServiceAccountOperator)
	if err != nil {
		return err
	}
	m.access = unlimited(access)
	m.kubeconfig = filepath.Join(m.dir, "kubeconfig")
	if err := cluster.WriteKubeconfig(access, m.kubeconfig); err != nil {
		return err
	}
	return m.settings(ctx, webhook)
}

// settings writes the chart's configuration file, at ports of this machine.
func (m *measuring) settings(ctx context.Context, webhook string) error {
	var file corev1.ConfigMap
	if err := m.admin.Get(ctx, client.ObjectKey{Namespace: naming.DefaultNamespace, Name: "warifu-operator"}, &file); err != nil {
		return err
	}
	config := app.DefaultConfig()
	if err := yaml.UnmarshalStrict([]byte(file.Data["config.yaml"]), &config); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(webhook)
	if err != nil {
		return err
	}
	if config.Webhook.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	if m.health, err = freeAddress(ctx); err != nil {
		return err
	}
	config.Namespace, config.Webhook.Host, config.Control.Host = naming.DefaultNamespace, host, host
	config.Health.Address, config.Metrics.Address = m.health, "0"
	raw, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	m.config = filepath.Join(m.dir, "config.yaml")
	return os.WriteFile(m.config, raw, 0o600)
}

// namespace makes a namespace.
func (m *measuring) namespace(ctx context.Context, name string, labels map[string]string) error {
	return m.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
}

// unlimited leaves limits to the API server, as the operator does.
func unlimited(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	return config
}

// parallel does something n times, so many at once, and stops at the first error.
func parallel(ctx context.Context, n, atOnce int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan int)
	errs := make(chan error, atOnce)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	close(errs)
	for err := range errs {
		return err
	}
	return ctx.Err()
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func read(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return body, err
}
