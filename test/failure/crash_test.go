package failure_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestAPIServerKilled kills the API server itself, while operator and etcd run on. Back within the life of the lease, it finds
// the same leader, whose watches resume; back later, a leader that has ended, as it must. Either way nothing is lost,
// nothing orphaned and nothing issued twice.
func TestAPIServerKilled(t *testing.T) {
	in := installOwn(t, cluster.Options{})
	shop, park := in.optedIn(t), in.optedIn(t)
	operator := in.startReady(t, in.directly())
	in.create(t, newServiceAccount(shop, "early"))
	in.sound(t, shop)
	in.sound(t, park)
	issued := operator.issued(t)

	t.Run("and back at once", func(t *testing.T) {
		before := in.versions(t, shop)
		in.kill(t)
		in.restart(t)
		in.create(t, newServiceAccount(shop, "later"))
		change(t, in, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: park}}, func(n *corev1.Namespace) { delete(n.Labels, naming.LabelInjection) })
		in.sound(t, shop)
		in.isUntouched(t, shop, before)
		in.hasNoIdentities(t, park)
		in.admits(t, shop, "later")
		operator.isReady(t)
		if now := operator.issued(t); now != issued+1 {
			t.Errorf("%d certificates were issued before and %d after, for one more ServiceAccount", issued, now)
		}
	})
	t.Run("and away for longer than a leader may be", func(t *testing.T) {
		before := in.versions(t, shop)
		in.kill(t)
		begin := time.Now()
		operator.hasEnded(t, 20*time.Second)
		t.Logf("without an API server the process ended after %s: %v", time.Since(begin).Round(time.Millisecond), operator.err)
		if operator.err == nil {
			t.Error("it ended as if all were well")
		}
		in.restart(t)
		in.freeLease(t)
		next := in.startReady(t, in.directly()) // as kubelet does
		in.create(t, newServiceAccount(shop, "last"))
		in.sound(t, shop)
		in.isUntouched(t, shop, before)
		in.admits(t, shop, "last")
		if now := next.issued(t); now != 1 {
			t.Errorf("the successor issued %d certificates, for one more ServiceAccount", now)
		}
	})
}

// directly is the API server itself, without anything between.
func (in installed) directly() *apiServer {
	return &apiServer{url: in.Config.Host, ca: in.Config.CAData}
}

func (in installed) kill(t *testing.T) {
	t.Helper()
	if err := in.KillAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (in installed) restart(t *testing.T) {
	t.Helper()
	defer stopwatch(t, "the API server restarts")()
	if err := in.RestartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// versions are the resourceVersions of the identities of a namespace, by name.
func (in installed) versions(t *testing.T, namespace string) map[string]string {
	t.Helper()
	identities, err := in.identities(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for name, secret := range identities {
		versions[name] = secret.ResourceVersion
	}
	return versions
}

// isUntouched: none of the identities that were is gone or has been written.
func (in installed) isUntouched(t *testing.T, namespace string, before map[string]string) {
	t.Helper()
	now := in.versions(t, namespace)
	for name, version := range before {
		if now[name] != version {
			t.Errorf("%s was at %s and is at %q", name, version, now[name])
		}
	}
}

func (in installed) hasNoIdentities(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "the end of the identities of "+namespace, func(ctx context.Context) string {
		left, err := in.identities(ctx, namespace)
		if err != nil || len(left) > 0 {
			return fmt.Sprintf("%d are left, %v", len(left), err)
		}
		return ""
	})
}

// issued is how many certificates the process has issued.
func (p *process) issued(t *testing.T) int {
	t.Helper()
	return p.metric(t, "warifu_certificates_issued_total")
}

// metric is the sum of a metric's series.
func (p *process) metric(t *testing.T, name string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var sum float64
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(series, "{"); base != name {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return int(sum)
}
