package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// operatorName is the chart's name for the Deployment, its ServiceAccount and its ConfigMap.
const operatorName = "warifu-operator"

// install renders the chart and applies it.
func (d *demo) install(ctx context.Context) error {
	webhookPort, err := freePort()
	if err != nil {
		return err
	}
	healthPort, err := freePort()
	if err != nil {
		return err
	}
	d.operator = &operator{
		binary:  filepath.Join(d.root, "bin", operatorName),
		webhook: net.JoinHostPort("127.0.0.1", webhookPort),
		health:  net.JoinHostPort("127.0.0.1", healthPort),
	}
	rendered, err := chart.Render(chart.Options{Values: map[string]any{
		"webhook": map[string]any{"url": "https://" + d.operator.webhook},
		// Its programs do TLS themselves: they show what an application without a proxy is given.
		"dataPlane": naming.DataPlaneNone,
	}})
	if err != nil {
		return err
	}
	d.report.Say("charts/warifu, rendered by Helm as a library. Without a node there is no Service to reach the webhook by, so the")
	d.report.Say("API server is given a URL:")
	if _, err := d.cluster.Kubectl(ctx, "", "create", "namespace", naming.DefaultNamespace); err != nil {
		return err
	}
	d.report.Command("helm install warifu charts/warifu -n", naming.DefaultNamespace,
		"--set webhook.url=https://"+d.operator.webhook, "--set dataPlane="+naming.DataPlaneNone)
	if _, err := d.cluster.Kubectl(ctx, rendered.Manifest(), "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	objects, err := rendered.Objects()
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, object := range objects {
		count[object.GetKind()]++
	}
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		d.report.Line(fmt.Sprintf("%3d %s", count[kind], kind))
	}
	_, err = d.cluster.Kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
	d.report.Check(err == nil, "the API server took the chart: %d objects", len(objects))
	return err
}

// startOperator starts the operator with the settings and the rights that the chart gives to it.
func (d *demo) startOperator(ctx context.Context) error {
	settings := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: naming.DefaultNamespace, Name: operatorName}
	if err := d.cluster.Client.Get(ctx, key, settings); err != nil {
		return err
	}
	config := filepath.Join(d.dir, "config.yaml")
	if err := os.WriteFile(config, []byte(settings.Data["config.yaml"]), 0o600); err != nil {
		return err
	}
	as, err := d.cluster.As(ctx, naming.DefaultNamespace, operatorName)
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(d.dir, "operator.kubeconfig")
	if err := cluster.WriteKubeconfig(as, kubeconfig); err != nil {
		return err
	}
	d.report.Say("A process of this machine with a token of the ServiceAccount %s: it may do what the chart's RBAC", operatorName)
	d.report.Say("says, and nothing else.")
	if err := d.operator.start(d.dir, config, kubeconfig); err != nil {
		return err
	}
	if err := d.until(ctx, "the operator is ready", d.operator.ready); err != nil {
		return err
	}
	d.report.Check(true, "the operator is ready, with the rights of ServiceAccount %s", key)
	return d.kubectl(ctx, "get", "trustdomains")
}

// optIn makes a namespace like any other and labels it.
func (d *demo) optIn(ctx context.Context) error {
	if _, err := d.cluster.Kubectl(ctx, "", "create", "namespace", shop); err != nil {
		return err
	}
	return d.kubectl(ctx, "label", "namespace", shop, naming.LabelInjection+"="+naming.InjectionEnabled)
}

// apply applies the samples and the pods, by kubectl as everybody does.
func (d *demo) apply(ctx context.Context) error {
	if err := d.kubectl(ctx, "apply", "--server-side", "-f", "config/samples"); err != nil {
		return err
	}
	d.report.Say("The warnings are right: the policies came before what they are about. That is legal, as it must be.")
	if err := d.seen(ctx); err != nil {
		return err
	}
	return d.kubectl(ctx, "apply", "--server-side", "-f", manifests)
}

func freePort() (string, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}
