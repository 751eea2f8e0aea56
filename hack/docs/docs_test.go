package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	_ "github.com/warifu/warifu/controllers"         // registers metrics
	_ "github.com/warifu/warifu/internal/controlapi" // registers metrics
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/webhooks"
)

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestPagesAreCurrent(t *testing.T) {
	root := moduleRoot(t)
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is out of date, run make generate (-want +got):\n%s", name, diff)
		}
	}
}

// documented reads the metrics of the source.
func documented(t *testing.T) []metric {
	t.Helper()
	files, err := parse(moduleRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	found, err := findMetrics(files)
	if err != nil || len(found) == 0 {
		t.Fatalf("%d metrics: %v", len(found), err)
	}
	return found
}

// TestMetricsAreRegistered: what the page lists is what the operator and the proxies serve, with the same text and labels, and
// nothing else of that prefix is.
func TestMetricsAreRegistered(t *testing.T) {
	options := webhooks.Options{Index: policy.NewIndex(policy.Settings{}), Metrics: metrics.Registry}
	if err := webhooks.Register(webhook.NewServer(webhook.Options{}), options); err != nil {
		t.Fatal(err)
	}
	proxies := prometheus.NewRegistry()
	telemetry.New(telemetry.Options{Registry: proxies})
	var names []string
	for _, m := range documented(t) {
		names = append(names, m.name)
		var registry prometheus.Registerer = metrics.Registry
		if strings.HasPrefix(m.name, proxyPrefix) {
			registry = proxies
		}
		err := registry.Register(twin{prometheus.NewDesc(m.name, m.help, m.labels, nil)})
		var already prometheus.AlreadyRegisteredError
		if !errors.As(err, &already) {
			t.Errorf("%s is not registered as documented: %v", m.name, err)
		}
	}
	for _, registry := range []prometheus.Gatherer{metrics.Registry, proxies} {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if strings.HasPrefix(family.GetName(), "warifu_") && !slices.Contains(names, family.GetName()) {
				t.Errorf("%s is served and not documented", family.GetName())
			}
		}
	}
}

// twin is a collector that collides with the one that has the same description.
type twin struct{ description *prometheus.Desc }

func (d twin) Describe(out chan<- *prometheus.Desc) { out <- d.description }
func (d twin) Collect(chan<- prometheus.Metric)     {}

// TestConventions: https://prometheus.io/docs/practices/naming/, and labels that a cluster cannot make many of.
func TestConventions(t *testing.T) {
	bounded := []string{
		"kind", "severity", "reason", "state", "result", "decision", "what",
		"action", "direction", "dry_run", "flow", "status", "verdict",
		"source_identity", "destination_identity", // by the proxy, which counts the rest as other
	}
	for _, m := range documented(t) {
		if !strings.HasPrefix(m.name, "warifu_") || m.name != strings.ToLower(m.name) {
			t.Errorf("%s: not a name of ours", m.name)
		}
		if (m.kind == "counter") != strings.HasSuffix(m.name, "_total") {
			t.Errorf("%s is a %s: counters, and only they, end in _total", m.name, m.kind)
		}
		if strings.Contains(m.name, "_timestamp") && !strings.HasSuffix(m.name, "_timestamp_seconds") {
			t.Errorf("%s: a time is in seconds, and says so", m.name)
		}
		if !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: %q is no sentence", m.name, m.help)
		}
		for _, label := range m.labels {
			if !slices.Contains(bounded, label) {
				t.Errorf("%s: the label %s is not known to be bounded", m.name, label)
			}
		}
	}
}

// TestWhatFails: what would leave a hole in the pages is an error that says where.
func TestWhatFails(t *testing.T) {
	for name, tc := range map[string]struct{ file, source, want string }{
		"a reason without a comment": {"internal/policy/x.go", "package policy\n\nconst ReasonX Reason = \"X\"\n", "ReasonX has no comment"},
		"a comment that is only the name": {"internal/policy/x.go", "package policy\n\nconst (\n\t// ReasonX\n\tReasonX Reason = \"X\"\n)\n",
			"ReasonX has no comment"},
		"a reason that is computed":    {"internal/policy/x.go", "package policy\n\nconst (\n\t// ReasonX: x.\n\tReasonX Reason = other + \"X\"\n)\n", "ReasonX: it is not written as a literal"},
		"a new kind of reason":         {"internal/new/x.go", "package x\n\nconst (\n\t// XReason: x.\n\tXReason MyReason = \"X\"\n)\n", "internal/new:MyReason are in no section"},
		"a metric's name from a const": {"controllers/x.go", "package x\n\nvar x = prometheus.NewGauge(prometheus.GaugeOpts{Name: name})\n", "prometheus.NewGauge: it is not written as a literal"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, folder := range sourceFolders {
				if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(root, tc.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(tc.source), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := generate(root); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
