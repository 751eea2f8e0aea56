package failure_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/testkit/cluster"
)

// quota is what the small etcd may hold, in bytes: what a control plane with the chart begins with, and some megabytes.
const quota = 24 << 20

// TestFullEtcd fills etcd itself until it takes no more. What is being issued then fails, and log and metric say why; the
// leader, whose lease cannot be renewed, ends; existing identities stay and can be read. When there is room again its
// successor issues what is missing, and nothing twice.
func TestFullEtcd(t *testing.T) {
	in := installOwn(t, cluster.Options{EtcdArgs: map[string]string{"quota-backend-bytes": fmt.Sprint(quota)}})
	proxy := in.newAPIServer(t)
	operator := in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.sound(t, shop)
	proxy.isQuiet(t)
	before := in.versions(t, shop)
	proxy.forget()

	// Issued when etcd is full: the requests wait at the proxy until then.
	full := make(chan struct{})
	held := &fault{to: request(http.MethodPost, "/api/v1/namespaces/"+shop+"/secrets"), does: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		<-full
		real.ServeHTTP(w, r)
	}}
	proxy.have(held)
	for i := range 3 {
		in.create(t, newServiceAccount(shop, fmt.Sprintf("late-%d", i)))
	}
	eventually(t, "issuing", func(context.Context) string {
		if proxy.hits(held) < 3 {
			return "not begun"
		}
		return ""
	})
	stuffing := in.fillEtcd(t)
	close(full)
	eventually(t, "a report", func(context.Context) string {
		if operator.metric(t, "warifu_certificates_failed_total") == 0 || !strings.Contains(operator.log.String(), "database space exceeded") {
			return "none"
		}
		return ""
	})
	in.isUntouched(t, shop, before)
	operator.hasEnded(t, 20*time.Second)
	t.Logf("the lease could not be renewed: %v", operator.err)
	successor := in.start(t, proxy, in.webhook) // as kubelet does

	in.emptyEtcd(t, stuffing)
	in.sound(t, shop)
	in.isReady(t)
	in.isUntouched(t, shop, before)
	proxy.isQuiet(t)
	if made := identityWrites(proxy); len(made) != 3 {
		t.Errorf("written for three ServiceAccounts: %v", made)
	}
	in.admits(t, shop, "later")
	successor.isReady(t)
}

// fillEtcd creates ConfigMaps until there is no room for any, and returns their namespace.
func (in installed) fillEtcd(t *testing.T) string {
	t.Helper()
	namespace := in.Namespace(t, nil)
	for size := 900 << 10; size > 0; { // ever smaller ones, into the last corner
		err := in.Client.Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "stuffing-"},
			BinaryData: map[string][]byte{"stuffing": noise(t, size)},
		})
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "database space exceeded") {
			t.Fatal(err)
		}
		size /= 30
	}
	return namespace
}

// emptyEtcd does what an administrator does: it deletes, compacts, defragments, and disarms the alarm.
func (in installed) emptyEtcd(t *testing.T, namespace string) {
	t.Helper()
	if err := in.Client.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var header struct {
		Header struct{ Revision string }
		Alarms []struct{ MemberID, Alarm string }
	}
	in.askEtcd(t, "kv/range", map[string]any{"key": []byte("/"), "limit": 1}, &header)
	in.askEtcd(t, "kv/compaction", map[string]any{"revision": header.Header.Revision, "physical": true}, nil)
	in.askEtcd(t, "maintenance/defragment", map[string]any{}, nil)
	in.askEtcd(t, "maintenance/alarm", map[string]any{"action": "GET"}, &header)
	if len(header.Alarms) == 0 {
		t.Error("etcd gave no alarm: it was never full")
	}
	for _, alarm := range header.Alarms {
		in.askEtcd(t, "maintenance/alarm", map[string]any{"action": "DEACTIVATE", "memberID": alarm.MemberID, "alarm": alarm.Alarm}, nil)
	}
}

// askEtcd calls etcd itself, as JSON.
func (in installed) askEtcd(t *testing.T, method string, question, answer any) {
	t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.EtcdURL()+"/v3/"+method, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("etcd %s: %s %s, %v", method, response.Status, text, err)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatalf("etcd %s: %s: %v", method, text, err)
	}
}

// noise cannot be compressed.
func noise(t *testing.T, size int) []byte {
	t.Helper()
	out := make([]byte, size)
	if _, err := rand.Read(out); err != nil {
		t.Fatal(err)
	}
	return out
}
