package failure_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

// TestUnluckyAPIServer lets the API server fail in every way it has while an identity is issued and all are renewed. The
// operator gets there, in the same process, and writes each Secret once, or where it was not told that it had, twice.
func TestUnluckyAPIServer(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	operator := in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.sound(t, shop)
	secrets := func(r *http.Request) bool { return isWrite(r) && strings.Contains(r.URL.Path, "/secrets") }
	tests := []struct {
		name string
		// fault happens so often, or for so long.
		fault *fault
		lasts time.Duration
		// hangUp ends all connections when the fault begins.
		hangUp bool
		// writes is how often a Secret may be written; 1 unless set.
		writes int
	}{
		{name: "slow", fault: &fault{to: always, does: late(300 * time.Millisecond)}, lasts: 3 * time.Second},
		{name: "conflicts", fault: &fault{to: isWrite, times: 5, does: answer(http.StatusConflict, string(metav1.StatusReasonConflict), "the object has been modified")}},
		{name: "too many requests", fault: &fault{to: isWrite, times: 5, does: answer(http.StatusTooManyRequests, string(metav1.StatusReasonTooManyRequests), "too many requests")}},
		{name: "internal errors", fault: &fault{to: isMutation, times: 5, does: answer(http.StatusInternalServerError, string(metav1.StatusReasonInternalError), "internal error")}},
		{name: "unavailable", fault: &fault{to: always, does: answer(http.StatusServiceUnavailable, string(metav1.StatusReasonServiceUnavailable), "apiserver is shutting down")}, lasts: 3 * time.Second},
		{name: "full etcd", fault: &fault{to: isMutation, does: answer(http.StatusInternalServerError, "", "etcdserver: mvcc: database space exceeded")}, lasts: 4 * time.Second},
		{name: "restarting", fault: &fault{to: always, does: noAnswer}, lasts: 3 * time.Second, hangUp: true},
		{name: "answers that are lost", fault: &fault{to: secrets, times: 3, does: doneWithoutAnswer}, writes: 2},
		{name: "expired watches", fault: &fault{to: isWatch, times: 6, does: answer(http.StatusGone, string(metav1.StatusReasonExpired), "too old resource version")}, hangUp: true},
	}
	algorithms := []v1alpha1.KeyAlgorithm{v1alpha1.Ed25519, v1alpha1.ECDSAP256}
	kinds := []x509.PublicKeyAlgorithm{x509.Ed25519, x509.ECDSA}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			defer stopwatch(t, "until all was well")()
			proxy.isQuiet(t)
			proxy.forget()
			proxy.have(test.fault)
			if test.hangUp {
				proxy.hangUp()
			}
			in.create(t, newServiceAccount(shop, fmt.Sprintf("unlucky-%d", i)))
			in.useKeys(t, algorithms[i%2])
			if test.lasts > 0 {
				time.Sleep(test.lasts) // the fault is in force that long
			}
			eventually(t, "the fault", func(context.Context) string {
				if hits := proxy.hits(test.fault); hits == 0 || hits < test.fault.times {
					return fmt.Sprintf("happened %d times", hits)
				}
				return ""
			})
			proxy.have()
			in.hasKeys(t, shop, kinds[i%2])
			in.sound(t, shop)
			in.isReady(t)
			proxy.isQuiet(t)
			atMost(t, proxy, max(1, test.writes))
			select {
			case <-operator.done:
				t.Errorf("the operator ended: %v", operator.err)
			default:
			}
		})
	}
}

// atMost fails where an identity Secret has been written more often.
func atMost(t *testing.T, proxy *apiServer, times int) {
	t.Helper()
	written := map[string]int{}
	for _, write := range proxy.succeeded() {
		if strings.Contains(write, "/secrets/"+naming.IdentitySecret("")) {
			written[write]++
		}
	}
	for write, n := range written {
		if n > times {
			t.Errorf("%s: %d times", write, n)
		}
	}
}

// TestLongOutage: nothing can be written for longer than the lease lives. The operator ends, as it must, and a new one is at
// work as soon as it can be. What was issued is untouched.
func TestLongOutage(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	operator := in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.sound(t, shop)
	proxy.isQuiet(t)
	before, err := in.identities(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	full := &fault{to: isMutation, does: answer(http.StatusInternalServerError, "", "etcdserver: mvcc: database space exceeded")}
	proxy.have(full)
	proxy.forget()
	begin := time.Now()
	operator.hasEnded(t, 14*time.Second) // before the lease expires, and another may lead
	t.Logf("the lease could not be renewed: the process ended after %s: %v", time.Since(begin).Round(time.Millisecond), operator.err)
	if operator.err == nil {
		t.Error("it ended as if all were well")
	}
	if made := proxy.succeeded(); len(made) > 0 {
		t.Errorf("it wrote: %v", made)
	}
	in.freeLease(t)
	in.start(t, proxy, in.webhook) // kubelet does
	in.create(t, newServiceAccount(shop, "late"))
	proxy.have()
	in.sound(t, shop)
	after, err := in.identities(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range before {
		if after[name].ResourceVersion != secret.ResourceVersion {
			t.Errorf("%s was written again", name)
		}
	}
}

// TestNamespaceDeletedInTheMiddle: the namespace goes while its identities are on their way. There is no error to show for
// it and nothing left to do.
func TestNamespaceDeletedInTheMiddle(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	operator := in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.sound(t, shop)
	doomed := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "doomed-", Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled},
		Finalizers: []string{"warifu.dev/test"}}}
	in.create(t, doomed)
	gone := make(chan struct{})
	held := &fault{to: func(r *http.Request) bool {
		return request(http.MethodPost, "/api/v1/namespaces/"+doomed.Name+"/secrets")(r)
	}, does: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		<-gone
		real.ServeHTTP(w, r)
	}}
	proxy.have(held)
	in.create(t, newServiceAccount(doomed.Name, "app"))
	eventually(t, "issuing", func(context.Context) string {
		if proxy.hits(held) == 0 {
			return "not begun"
		}
		return ""
	})
	in.remove(t, doomed)
	close(gone)
	in.create(t, newServiceAccount(shop, "meanwhile"))
	in.sound(t, shop)
	change(t, in, doomed, func(n *corev1.Namespace) { n.Finalizers = nil })
	eventually(t, "the namespace's end", func(ctx context.Context) string {
		left, err := in.identities(ctx, doomed.Name)
		if err != nil || len(left) > 0 {
			return fmt.Sprint(len(left), err)
		}
		return ""
	})
	proxy.isQuiet(t)
	for _, line := range strings.Split(operator.log.String(), "\n") {
		if strings.Contains(line, `"level":"error"`) && strings.Contains(line, doomed.Name) {
			t.Errorf("an error for nothing: %s", line)
		}
	}
}
