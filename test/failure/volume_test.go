package failure_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What is foreign: as many Secrets of others, of this size in bytes.
const (
	foreignSecrets = 5000
	foreignSize    = 100 << 10
)

// TestForeignSecretsCostNothing: half a gigabyte of other people's Secrets reaches neither a running operator nor one that
// starts. The heap is that of a cluster without them.
func TestForeignSecretsCostNothing(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	operator := in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.sound(t, shop)
	proxy.isQuiet(t)
	idle := operator.heap(t)
	proxy.secretBytes.Store(0)
	in.createForeign(t, in.Namespace(t, nil))

	isSmall := func(operator *process, when string) {
		t.Helper()
		heap, traffic := operator.heap(t), proxy.secretBytes.Load()
		t.Logf("%s: heap %d MiB (idle %d MiB), %d KiB read about Secrets", when, heap>>20, idle>>20, traffic>>10)
		const limit = foreignSecrets * foreignSize / 10
		if heap > idle+limit {
			t.Errorf("%s: the heap grew from %d to %d bytes", when, idle, heap)
		}
		if traffic > 1<<20 {
			t.Errorf("%s: %d bytes about Secrets were sent to the operator", when, traffic)
		}
	}
	isSmall(operator, "running")
	operator.kill()
	in.freeLease(t)
	proxy.secretBytes.Store(0)
	operator = in.startReady(t, proxy)
	in.create(t, newServiceAccount(shop, "afterwards"))
	in.sound(t, shop)
	if proxy.secretBytes.Load() == 0 {
		t.Error("the operator read no Secret at all: the account is broken")
	}
	isSmall(operator, "started")
}

// createForeign creates the Secrets, as fast as the API server takes them.
func (in installed) createForeign(t *testing.T, namespace string) {
	t.Helper()
	defer stopwatch(t, fmt.Sprintf("creating %d Secrets of %d KiB", foreignSecrets, foreignSize>>10))()
	const workers = 16
	config := rest.CopyConfig(in.Config)
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	fast, err := client.New(config, client.Options{Scheme: in.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, foreignSize)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < foreignSecrets; i += workers {
				secret := &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("foreign-%d", i)},
					Data:       map[string][]byte{"content": content},
				}
				if err := fast.Create(t.Context(), secret); err != nil {
					t.Errorf("creating a foreign Secret: %v", err)
					return
				}
			}
		})
	}
	group.Wait()
}

// heap is what the heap holds, in bytes: the least of a few looks, between which there is garbage.
func (p *process) heap(t *testing.T) int64 {
	t.Helper()
	least := int64(-1)
	for range 5 {
		eventually(t, "metrics", func(ctx context.Context) string {
			bytes, problem := metric(ctx, "http://"+p.metrics+"/metrics", "go_memstats_heap_alloc_bytes")
			if problem == "" && (least < 0 || bytes < least) {
				least = bytes
			}
			return problem
		})
		time.Sleep(200 * time.Millisecond)
	}
	return least
}

func metric(ctx context.Context, url, name string) (int64, string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err.Error()
			}
			return int64(number), ""
		}
	}
	return 0, "no metric " + name
}
