package cluster

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	warifuv1alpha1 "github.com/warifu/warifu/api/v1alpha1"
)

func TestMain(m *testing.M) { Main(m) }

func TestServiceAccountAdmissionIsReal(t *testing.T) {
	c := Require(t)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace(t, nil), Name: "app"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
	if err := c.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if pod.Spec.ServiceAccountName != "default" || len(pod.Spec.Volumes) != 1 {
		t.Errorf("pod has service account %q and volumes %v; want default and its token", pod.Spec.ServiceAccountName, pod.Spec.Volumes)
	}
}

func TestGarbageCollectionIsReal(t *testing.T) {
	c := Require(t)
	ctx, namespace := t.Context(), c.Namespace(t, nil)
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"}}
	if err := c.Client.Create(ctx, owner); err != nil {
		t.Fatal(err)
	}
	owned := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owned", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ServiceAccount", Name: owner.Name, UID: owner.UID},
	}}}
	if err := c.Client.Create(ctx, owned); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Delete(ctx, owner); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := c.Client.Get(ctx, client.ObjectKeyFromObject(owned), owned)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Errorf("Secret of a deleted owner: %v", err)
	}
}

func TestKindsAreInstalled(t *testing.T) {
	c := Require(t)
	policy := &warifuv1alpha1.PeerAuthentication{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace(t, nil), Name: "default"}}
	if err := c.Client.Create(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	out, err := c.Kubectl(t.Context(), "", "get", "peerauthentications", "-n", policy.Namespace, "-o", "name")
	if err != nil || strings.TrimSpace(out) != "peerauthentication.warifu.dev/default" {
		t.Errorf("kubectl get: %q, %v", out, err)
	}
}

func TestAsHasTheRightsOfTheServiceAccountOnly(t *testing.T) {
	c := Require(t)
	namespace := c.Namespace(t, nil)
	config, err := c.As(t.Context(), namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := WriteKubeconfig(config, path); err != nil {
		t.Fatal(err)
	}
	out, err := c.Kubectl(t.Context(), "", "--kubeconfig", path, "auth", "whoami")
	if err != nil || !strings.Contains(out, "system:serviceaccount:"+namespace+":default") {
		t.Errorf("kubectl auth whoami: %s, %v", out, err)
	}
	if out, err := c.Kubectl(t.Context(), "", "--kubeconfig", path, "get", "secrets", "-n", namespace); err == nil {
		t.Errorf("a ServiceAccount without roles reads Secrets: %s", out)
	}
}

// TestNothingSurvivesACrash starts a control plane in another process, kills that process, and looks for what is left.
func TestNothingSurvivesACrash(t *testing.T) {
	if os.Getenv("WARIFU_TEST_CRASH") != "" {
		c := Require(t)
		if err := os.WriteFile(os.Getenv("WARIFU_TEST_CRASH"), []byte(c.dir), 0o600); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	Require(t)
	report := filepath.Join(t.TempDir(), "dir")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingSurvivesACrash$")
	child.Env = append(os.Environ(), "WARIFU_TEST_CRASH="+report)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	eventually(t, "the control plane starts", func() bool { text, _ := os.ReadFile(report); return len(text) > 0 })
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	dir := string(text)
	if running := processesIn(t, dir); len(running) < 3 {
		t.Fatalf("%d processes in %s; want etcd, kube-apiserver and kube-controller-manager", len(running), dir)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	eventually(t, "the processes are gone", func() bool { return len(processesIn(t, dir)) == 0 })
	eventually(t, "the data is removed", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return ok(), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// processesIn returns the processes that name the folder in their arguments. A zombie has none: a container without an
// init process never reaps them.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("listing processes: %v", err)
	}
	var found []string
	for _, file := range files {
		line, _ := os.ReadFile(file) // gone meanwhile
		if bytes.Contains(line, []byte(dir)) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}
