package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain: the test binary is the first process of its nodes, too.
func TestMain(m *testing.M) {
	if spec := os.Getenv("MACHINE_TEST_SPEC"); spec != "" {
		fmt.Fprintln(os.Stderr, Run(spec))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// start starts a node of that spec, held, and has it gone when the test ends.
func start(t *testing.T, spec Spec) (held *Held, record string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "spec.json")
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MACHINE_TEST_SPEC", file)
	record = filepath.Join(dir, "process.json")
	held, err = Start(Options{Program: "/proc/self/exe", Record: record, Log: filepath.Join(dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(t, record) })
	return held, record
}

func kill(t *testing.T, record string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := Kill(ctx, record); err != nil {
		t.Error(err)
	}
}

// TestNodeLivesAndLeavesNothing: a node has its own name, mounts, numbers and address, its programs are started again, and
// when it is killed all of it is gone.
func TestNodeLivesAndLeavesNothing(t *testing.T) {
	const link = "warifu-test0"
	outside, node := netip.MustParsePrefix("198.18.77.1/24"), netip.MustParsePrefix("198.18.77.11/24")
	hub, hubRecord := start(t, Spec{Name: "hub"})
	if err := ConnectMachine(hub.Process, link, outside); err != nil {
		t.Fatal(err)
	}
	if err := hub.Release(); err != nil {
		t.Fatal(err)
	}
	v := t.TempDir()
	script := `echo "$(hostname) $(cat /proc/1/comm) $(ls /run)" >> /var/seen; mount -t tmpfs tmpfs /var/lib; sleep 0.1; kill -9 $$`
	held, record := start(t, Spec{Name: "node", Var: v, Path: os.Getenv("PATH"), Programs: []Program{{Name: "sh", Path: "/bin/sh", Args: []string{"-c", script}}}})
	route := Route{To: netip.MustParsePrefix("198.18.78.0/24"), Via: outside.Addr()}
	if err := Connect(hub.Process, held.Process, "node", node, []Route{route}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(v, "seen")); err == nil {
		t.Error("a program ran before the node was released")
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	var seen string
	for deadline := time.Now().Add(20 * time.Second); strings.Count(seen, "\n") < 2 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(filepath.Join(v, "seen"))
		seen = string(data)
	}
	if lines := strings.Split(seen, "\n"); len(lines) < 3 || lines[0] != "node exe " || !strings.HasPrefix(lines[1], lines[0]) {
		t.Errorf("the program saw %q; want it to run twice, at first with nothing in /run", seen)
	}
	dial := func() error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", netip.AddrPortFrom(node.Addr(), 9).String())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := dial(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the machine does not reach the node: %v", err)
	}
	if process, err := LoadProcess(record); err != nil || !process.Alive() {
		t.Errorf("the record says that the node does not live: %v", err)
	}

	kill(t, record)
	kill(t, hubRecord)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := WaitUnlinked(ctx, link); err != nil {
		t.Error(err)
	}
	if held.Alive() || hub.Alive() {
		t.Error("a killed process is alive")
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), v) {
		t.Errorf("mounts of the node are left: %v", err)
	}
}

// TestANodeHoldsNoFileOfOthers: a lock that the starter was handed by its caller ends with the caller.
func TestANodeHoldsNoFileOfOthers(t *testing.T) {
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	handed, err := syscall.Dup(int(lock.Fd())) // is not closed by exec, as what a shell hands on is not
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(handed)
	held, _ := start(t, Spec{Name: "node"})
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", held.PID))
	if err != nil || len(files) == 0 {
		t.Fatalf("it has %d files: %v", len(files), err)
	}
	for _, file := range files {
		if target, _ := os.Readlink(file); target == lock.Name() {
			t.Errorf("the node holds %s", target)
		}
	}
}

// TestANodeEndsWithItsStarter when that dies before it was released.
func TestANodeEndsWithItsStarter(t *testing.T) {
	held, _ := start(t, Spec{Name: "node"})
	if !held.Alive() {
		t.Fatal("it does not live")
	}
	if err := held.hold.Close(); err != nil { // as the kernel does for a process that dies
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); held.Alive(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it lives on")
		}
	}
}

// TestAReusedNumberIsNotTheProcess: what has the number now must not be killed.
func TestAReusedNumberIsNotTheProcess(t *testing.T) {
	now, err := observe(os.Getpid())
	if err != nil || !now.Alive() {
		t.Fatalf("%+v, %v", now, err)
	}
	former := now
	former.Started--
	rebooted := now
	rebooted.Boot = "another"
	for _, p := range []Process{former, rebooted, {}} {
		if p.Alive() {
			t.Errorf("%+v is taken for alive", p)
		}
	}
	record := filepath.Join(t.TempDir(), "process.json")
	if err := writeJSON(record, former); err != nil {
		t.Fatal(err)
	}
	kill(t, record) // would end the test
	if _, err := os.Stat(record); err == nil {
		t.Error("the record is left")
	}
}

func TestCgroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	const top = "/warifu-machine-test"
	if err := MakeCgroup(top + "/node/pod"); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(cgroupRoot + "/*" + top + "/node/pod")
	if one, _ := filepath.Glob(cgroupRoot + top + "/node/pod"); err != nil || len(made)+len(one) == 0 {
		t.Errorf("none was made: %v", err)
	}
	for range 2 { // the second time there is none
		if err := RemoveCgroup(t.Context(), top); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob(cgroupRoot + "/*" + top); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAble: it is root that makes nodes, and the tests here make some.
func TestAble(t *testing.T) {
	switch err := Able(); {
	case os.Geteuid() == 0 && err != nil:
		t.Error(err)
	case os.Geteuid() != 0 && (err == nil || !strings.Contains(err.Error(), "root")):
		t.Errorf("%v, want it to say that root is needed", err)
	}
}
