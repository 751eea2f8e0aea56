package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestEveryKindOfWorkloadTakesPart: under STRICT each is reached by who proves an identity and by nobody else, and what is
// meant to finish finishes.
func TestEveryKindOfWorkloadTakesPart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-workloads", optedIn)
	p.applyFile("workloads.yaml")
	p.rollout("deployment/deployment", "statefulset/db", "daemonset/daemon")
	p.wait("condition=Ready", "pod/client", "pod/plain", "pod/pod")
	p.kubectl("patch", "job/job", "cronjob/cron", "--patch", `{"spec":{"suspend":false}}`)
	proved := "URI=" + p.identity("client")

	// No Service says that the pod speaks HTTP: who asks is checked, and not named to the application.
	t.Run("Pod", func(t *testing.T) {
		t.Parallel()
		p.in(t).reached(p.podURL("pod"))
	})
	t.Run("Deployment", func(t *testing.T) {
		t.Parallel()
		p.in(t).reached("http://deployment/", proved)
	})
	t.Run("StatefulSet", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		for _, member := range []string{"db-0", "db-1"} {
			p.reached("http://"+member+".db:8080/", proved, " at "+member)
		}
	})
	t.Run("DaemonSet", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		pods := strings.Fields(p.kubectl("get", "pods", "--selector=app=daemon", "--output=jsonpath={.items[*].metadata.name}"))
		if len(pods) == 0 {
			t.Fatal("there is none")
		}
		for _, pod := range pods {
			p.reached(p.podURL(pod), proved, " at "+pod)
		}
	})
	t.Run("Job", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		p.wait("condition=Complete", "job/job")
		p.logged("from-init", "from-job")
	})
	t.Run("CronJob", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		p.eventually("a job of it finishes", func() error {
			last, err := p.try("get", "cronjob/cron", "--output=jsonpath={.status.lastSuccessfulTime}")
			if err == nil && last == "" {
				return fmt.Errorf("none has")
			}
			return err
		})
		p.logged("from-cron")
	})
}

// in is the place in a part of its test.
func (p *place) in(t *testing.T) *place { return &place{t, p.name} }

// podURL is where a pod's application is, by address.
func (p *place) podURL(pod string) string {
	p.t.Helper()
	return "http://" + p.podIP(pod) + ":8080/"
}

func (p *place) podIP(pod string) string {
	p.t.Helper()
	return p.kubectl("get", "pod", pod, "--output=jsonpath={.status.podIP}")
}

// reached: the URL answers the pod client, and the pod plain, which has no proxy, is reset.
func (p *place) reached(url string, texts ...string) {
	p.t.Helper()
	p.answers("client", url, append([]string{"200 OK"}, texts...)...)
	p.refused("plain", url)
}

// logged waits until the Deployment's application has been asked for each path.
func (p *place) logged(paths ...string) {
	p.t.Helper()
	p.eventually("the application is asked", func() error {
		log, err := p.try("logs", "--selector=app=deployment", "--container=app", "--tail=-1")
		for _, path := range paths {
			if err == nil && !strings.Contains(log, "GET /"+path) {
				err = fmt.Errorf("not for %s: %s", path, log)
			}
		}
		return err
	})
}
