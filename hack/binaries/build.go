package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// heartbeat is how often a running build says that it is alive.
const heartbeat = 10 * time.Second

// build builds one program next to its place and renames it, so that a program that is there is whole.
func build(ctx context.Context, t target, folder string) error {
	temp, err := os.MkdirTemp(folder, ".build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	built := filepath.Join(temp, t.name)

	ldflags := strings.Join(append([]string{"-s", "-w"}, t.ldflags...), " ")
	// -v names each package when it has been compiled: that is the progress.
	compile := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-ldflags", ldflags, "-o", built, t.path)
	compile.Dir = t.dir
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false", "GOOS=", "GOARCH=")
	output, err := compile.StderrPipe()
	if err != nil {
		return err
	}
	progress := startProgress(t.label)
	defer progress.stop()
	if err := compile.Start(); err != nil {
		return err
	}
	progress.read(output)
	if err := compile.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(progress.tail, "\n"))
	}
	if err := os.Rename(built, filepath.Join(folder, t.name)); err != nil {
		return err
	}
	progress.say("built")
	return nil
}

// progress prints what a build is doing: at its start, at each heartbeat and at its end.
type progress struct {
	label   string
	started time.Time
	stop    func()

	mu       sync.Mutex
	packages int      // compiled so far
	tail     []string // the last lines, for the error
}

func startProgress(label string) *progress {
	ticker, done := time.NewTicker(heartbeat), make(chan struct{})
	p := &progress{label: label, started: time.Now()}
	p.stop = func() { ticker.Stop(); close(done) }
	fmt.Fprintln(os.Stderr, label)
	go func() {
		for {
			select {
			case <-ticker.C:
				p.say("building")
			case <-done:
				return
			}
		}
	}()
	return p
}

// read follows the compiler's output to its end.
func (p *progress) read(output io.Reader) {
	const enough = 30
	for lines := bufio.NewScanner(output); lines.Scan(); {
		p.mu.Lock()
		if !strings.Contains(lines.Text(), " ") { // a package; messages are sentences
			p.packages++
		}
		p.tail = append(p.tail, lines.Text())
		p.tail = p.tail[max(0, len(p.tail)-enough):]
		p.mu.Unlock()
	}
}

func (p *progress) say(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.started).Round(time.Second)
	last := ""
	if what == "building" && len(p.tail) > 0 {
		last = ": " + p.tail[len(p.tail)-1]
	}
	fmt.Fprintf(os.Stderr, "%s: %s, %s, %d packages compiled%s\n", p.label, what, elapsed, p.packages, last)
}
