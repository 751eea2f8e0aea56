package netns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
	"github.com/warifu/warifu/internal/testkit/kubelet"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// patience is how long something may take on a loaded machine before a test gives up on it.
const patience = time.Minute

// world is a cluster with Warifu on it, and a node that runs pods.
type world struct {
	*cluster.Cluster
	network *podnet.Node
	node    *kubelet.Node
	// operator is the operator's configuration, and stopOperator ends the one that runs.
	operator     app.Config
	stopOperator func()
}

// newWorld installs the chart, starts the operator with its rights, and waits until it is ready. Changes are to the operator's
// configuration.
func newWorld(t *testing.T, changes ...func(*app.Config)) *world {
	t.Helper()
	w := &world{network: podnet.New(t), Cluster: cluster.RequireOwn(t, cluster.Options{})}
	w.node = kubelet.New(t, kubelet.Options{Network: w.network, Client: w.Client, Proxy: buildProxy(t)})
	webhook := freeAddress(t)
	rendered, err := chart.Render(chart.Options{Values: map[string]any{"webhook": map[string]any{"url": "https://" + webhook}}})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rendered.Objects()
	if err != nil {
		t.Fatal(err)
	}
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.DefaultNamespace}})
	for _, o := range objects {
		err := w.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership)
		if err != nil {
			t.Fatalf("applying %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
	w.operator = w.config(t, webhook)
	for _, change := range changes {
		change(&w.operator)
	}
	w.operate(t)
	return w
}

// operate runs the operator in this process until stopOperator is called or the test ends, which should be that of the world, and
// waits until it is ready. When it was stopped it may be called again.
func (w *world) operate(t *testing.T) {
	t.Helper()
	access, err := w.As(t.Context(), naming.DefaultNamespace, naming.ServiceAccountOperator)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	log := funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, prefix+" "+args)
	}, funcr.Options{LogTimestamp: true})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, w.operator, app.Options{Client: access, Log: log}) }()
	w.stopOperator = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the operator ended with: %v", err)
		}
	})
	stop := w.stopOperator // of this one, whoever comes next
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			mu.Lock()
			defer mu.Unlock()
			t.Logf("log of the operator:\n%s", strings.Join(lines, "\n"))
		}
	})
	eventually(t, "the operator is ready", func() error {
		response, err := http.Get("http://" + w.operator.Health.Address + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	})
}

// config is the chart's, at ports of this machine; proxies find the control API at the node's host.
func (w *world) config(t *testing.T, webhook string) app.Config {
	t.Helper()
	var file corev1.ConfigMap
	if err := w.Client.Get(t.Context(), client.ObjectKey{Namespace: naming.DefaultNamespace, Name: "warifu-operator"}, &file); err != nil {
		t.Fatal(err)
	}
	config := app.DefaultConfig()
	if err := yaml.UnmarshalStrict([]byte(file.Data["config.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	config.Namespace = naming.DefaultNamespace
	config.Webhook.Host, config.Webhook.Port = split(t, webhook)
	config.Control.Host = w.network.HostIPv4.String()
	config.Control.Address = net.JoinHostPort(config.Control.Host, strconv.Itoa(config.Control.Port))
	config.Health.Address, config.Metrics.Address = freeAddress(t), "0"
	return config
}

// buildProxy builds the program that runs in pods. It calls the file what the command calls itself, because a call has go test
// run the tests again when the proxy has changed, rather than remember what came out of the one before.
func buildProxy(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), proxy.NewCommand().Name())
	arguments := slices.Concat([]string{"build"}, raceFlags, []string{"-o", path, "github.com/warifu/warifu/cmd/proxy"})
	build := exec.CommandContext(t.Context(), "go", arguments...)
	if len(raceFlags) == 0 {
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the proxy: %v\n%s", err, out)
	}
	return path
}

// watch fails the test when the pod's proxy has found a race.
func watch(t *testing.T, pod *kubelet.Pod) *kubelet.Pod {
	t.Helper()
	t.Cleanup(func() {
		if process := pod.Proxy(); process != nil && strings.Contains(process.Stderr(), "DATA RACE") {
			t.Errorf("a data race in the proxy of %s:\n%s", pod.Net.Name, process.Stderr())
		}
	})
	return pod
}

func (w *world) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := w.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func split(t *testing.T, address string) (string, int) {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}
