package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/app"
)

// operatorCommand makes this program the operator: bench operator CONFIG KUBECONFIG ADDRESS.
const operatorCommand = "operator"

// stats is what the operator's process tells about itself, at /stats of ADDRESS.
type stats struct {
	// Created counts identity Secrets and whatever other Secrets the operator created, Changed its other writes of Secrets.
	Created, Changed int
	// First and Last are when the first and the last creation was answered.
	First, Last time.Time
	// Looked counts how often an identity was looked at.
	Looked int
	// HeapInuse and HeapAlloc are bytes after a garbage collection: spans in use, and what is alive in them.
	HeapInuse, HeapAlloc uint64
}

// operate runs the operator as its main does, and the page beside it.
func operate(ctx context.Context, args []string) error {
	file, kubeconfig, address := args[0], args[1], args[2]
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	config := app.DefaultConfig()
	if err := yaml.UnmarshalStrict(raw, &config); err != nil {
		return err
	}
	client, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	seen := &counter{}
	client.Wrap(seen.wrap)
	log, err := app.NewLogger(os.Stderr, config.Log)
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	pages := http.NewServeMux()
	pages.Handle("/stats", seen)
	new(profiler).register(pages)
	page := &http.Server{Addr: address, Handler: pages, ReadHeaderTimeout: time.Second}
	go func() { _ = page.ListenAndServe() }()
	defer page.Close()
	return app.Run(ctx, config, app.Options{Client: client, Log: log})
}

// counter counts the writes of Secrets that the API server accepted.
type counter struct {
	mu sync.Mutex
	stats
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && r.Method != http.MethodGet && response.StatusCode < 300 && strings.Contains(r.URL.Path, "/secrets") {
			c.count(r.Method)
		}
		return response, err
	})
}

func (c *counter) count(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if method != http.MethodPost {
		c.Changed++
		return
	}
	c.Created++
	c.Last = time.Now()
	if c.First.IsZero() {
		c.First = c.Last
	}
}

// Questions that ServeHTTP answers when it is asked: they cost something.
const (
	askLooked = "looked"
	askMemory = "memory"
)

// ServeHTTP tells the stats. For the memory it collects garbage first.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	out := c.stats
	c.mu.Unlock()
	if r.URL.Query().Has(askLooked) {
		out.Looked = looked()
	}
	if r.URL.Query().Has(askMemory) {
		var memory runtime.MemStats
		runtime.GC()
		runtime.GC() // what finalizers of the first let go
		runtime.ReadMemStats(&memory)
		out.HeapInuse, out.HeapAlloc = memory.HeapInuse, memory.HeapAlloc
	}
	_ = json.NewEncoder(w).Encode(out)
}

// looked is how many reconciles of the identity controller have ended, from its metric.
func looked() int {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return 0
	}
	var sum float64
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "controller" && label.GetValue() == "identity" {
					sum += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return int(sum)
}
