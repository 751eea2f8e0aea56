package failure_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

// TestReplicasNeverFight: of three replicas one writes. When it stands still, as a machine that is paused, another leads; when
// it wakes up it ends at once and has written nothing. When the second one is killed the third takes over.
func TestReplicasNeverFight(t *testing.T) {
	in := install(t)
	shop := in.optedIn(t)
	var proxies [3]*apiServer
	var replicas [3]*process
	for i := range replicas {
		proxies[i] = in.newAPIServer(t)
		webhook := in.webhook
		if i > 0 {
			webhook = freeAddress(t)
		}
		replicas[i] = in.start(t, proxies[i], webhook)
	}
	for _, replica := range replicas {
		replica.isReady(t)
	}
	in.sound(t, shop)
	leader := in.leaderOf(t, replicas[:], proxies[:])
	in.hasWritten(t, proxies[:], leader)

	t.Run("the leader is paused", func(t *testing.T) {
		for _, p := range proxies {
			p.forget()
		}
		replicas[leader].signal(syscall.SIGSTOP)
		defer replicas[leader].signal(syscall.SIGCONT)
		in.create(t, newServiceAccount(shop, "paused"))
		lost := stopwatch(t, "until another led and had issued")
		in.sound(t, shop)
		lost()
		replicas[leader].signal(syscall.SIGCONT)
		begin := time.Now()
		replicas[leader].hasEnded(t, 5*time.Second)
		t.Logf("woken up, it ended after %s: %v", time.Since(begin).Round(time.Millisecond), replicas[leader].err)
		if made := identityWrites(proxies[leader]); len(made) > 0 {
			t.Errorf("the former leader issued: %v", made)
		}
	})
	t.Run("the next leader is killed", func(t *testing.T) {
		second := -1
		for i, p := range proxies {
			if i != leader && len(p.succeeded()) > 0 {
				if second >= 0 {
					t.Fatalf("two replicas write: %v, %v", proxies[second].succeeded(), p.succeeded())
				}
				second = i
			}
		}
		third := 3 - leader - second
		replicas[second].kill()
		for _, p := range proxies {
			p.forget()
		}
		in.freeLease(t)
		in.create(t, newServiceAccount(shop, "killed"))
		in.sound(t, shop)
		in.hasWritten(t, proxies[:], third)
		atMost(t, proxies[third], 1)
	})
}

// leaderOf is the replica that has written.
func (in installed) leaderOf(t *testing.T, replicas []*process, proxies []*apiServer) int {
	t.Helper()
	leader := -1
	eventually(t, "a leader", func(context.Context) string {
		for i := range replicas {
			if len(proxies[i].succeeded()) > 0 {
				leader = i
				return ""
			}
		}
		return "nobody writes"
	})
	return leader
}

// hasWritten: since the last forget only the replica has.
func (in installed) hasWritten(t *testing.T, proxies []*apiServer, only int) {
	t.Helper()
	proxies[only].isQuiet(t)
	for i, p := range proxies {
		if made := p.succeeded(); (len(made) > 0) != (i == only) {
			t.Errorf("replica %d, leader %d: wrote %v", i, only, made)
		}
	}
}

// TestReplicasShareAStart: three replicas start at once where there is nothing. There is one CA and one of each Secret.
func TestReplicasShareAStart(t *testing.T) {
	in := install(t)
	shop := in.optedIn(t)
	in.remove(t, newTrustDomain())
	in.remove(t, newSecret(naming.DefaultNamespace, naming.SecretCA))
	proxies := []*apiServer{in.newAPIServer(t), in.newAPIServer(t), in.newAPIServer(t)}
	for i, p := range proxies {
		webhook := in.webhook
		if i > 0 {
			webhook = freeAddress(t)
		}
		in.start(t, p, webhook)
	}
	in.sound(t, shop)
	in.isReady(t)
	in.hasWritten(t, proxies, in.leaderOf(t, make([]*process, 3), proxies))
	made := map[string]int{}
	for _, p := range proxies {
		for _, write := range p.succeeded() {
			made[write]++
		}
	}
	for _, write := range []string{"POST /api/v1/namespaces/" + naming.DefaultNamespace + "/secrets", "POST /apis/warifu.dev/v1alpha1/trustdomains"} {
		if made[write] != 1 {
			t.Errorf("%s: %d times", write, made[write])
		}
	}
}
