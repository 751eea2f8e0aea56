package chart_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/chart"
)

// monitored are the values with everything that watches the operator.
func monitored(more ...any) map[string]any {
	return values(append([]any{"metrics.serviceMonitor.enabled", true, "metrics.rules.enabled", true, "metrics.dashboard.enabled", true}, more...)...)
}

func TestMonitoringIsLint(t *testing.T) {
	dir, err := chart.Dir()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range lint.RunAll(dir, monitored(), naming.DefaultNamespace).Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

// TestMonitoringIsAskedFor: the kinds are of others, and a cluster may not know them.
func TestMonitoringIsAskedFor(t *testing.T) {
	for _, o := range render(t, chart.Options{}) {
		if strings.HasPrefix(o.GetAPIVersion(), "monitoring.coreos.com/") || o.GetName() == "warifu-dashboard" || o.GetName() == "warifu-metrics" {
			t.Errorf("%s %s is rendered by default", o.GetKind(), o.GetName())
		}
	}
	_, err := chart.Render(chart.Options{Values: monitored("metrics.enabled", false)})
	if err == nil || !strings.Contains(err.Error(), "metrics.serviceMonitor.enabled") {
		t.Errorf("a ServiceMonitor of nothing: got %v, want a refusal that names the value", err)
	}
}

func TestServiceMonitor(t *testing.T) {
	objects := render(t, chart.Options{Values: monitored("metrics.serviceMonitor.interval", "15s", "metrics.serviceMonitor.labels", map[string]any{"release": "prometheus"})})
	monitor := find(objects, "ServiceMonitor", "warifu-operator")
	if monitor.GetLabels()["release"] != "prometheus" || field(t, monitor.Object, []string{"spec", "endpoints", "0", "interval"}) != "15s" {
		t.Errorf("values do not arrive: %v", monitor.Object)
	}
	selector, _, _ := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
	var selected []string
	var service corev1.Service
	for _, o := range objects {
		if o.GetKind() == "Service" && labels.SelectorFromSet(selector).Matches(labels.Set(o.GetLabels())) {
			selected = append(selected, o.GetName())
			convert(t, o, &service)
		}
	}
	if !slices.Equal(selected, []string{"warifu-metrics"}) {
		t.Fatalf("the ServiceMonitor selects the Services %v", selected)
	}
	var deployment appsv1.Deployment
	convert(t, find(objects, "Deployment", "warifu-operator"), &deployment)
	if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(deployment.Spec.Template.Labels)) {
		t.Error("the Service does not select the operator's pods")
	}
	port := field(t, monitor.Object, []string{"spec", "endpoints", "0", "port"})
	if service.Spec.Ports[0].Name != port || !slices.ContainsFunc(deployment.Spec.Template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
		return p.Name == service.Spec.Ports[0].TargetPort.StrVal
	}) {
		t.Errorf("port %v is not the Service's, or leads nowhere: %v", port, service.Spec.Ports)
	}
}

func TestAlerts(t *testing.T) {
	objects := render(t, chart.Options{Values: monitored("metrics.rules.labels", map[string]any{"role": "alerts"})})
	rule := find(objects, "PrometheusRule", "warifu-operator")
	if rule.GetLabels()["role"] != "alerts" {
		t.Errorf("the labels are %v", rule.GetLabels())
	}
	groups, _, err := unstructured.NestedSlice(rule.Object, "spec", "groups")
	if err != nil || len(groups) == 0 {
		t.Fatalf("no groups: %v", err)
	}
	known := knownMetrics(t)
	names := map[string]bool{}
	for _, g := range groups {
		for _, r := range g.(map[string]any)["rules"].([]any) {
			alert := r.(map[string]any)
			name := alert["alert"].(string)
			if names[name] || !strings.HasPrefix(name, "Warifu") {
				t.Errorf("the name %s is taken, or not ours", name)
			}
			names[name] = true
			known.check(t, name, alert["expr"].(string))
			for _, path := range [][]string{{"labels", "severity"}, {"annotations", "summary"}, {"annotations", "description"}, {"for"}} {
				if text, _, _ := unstructured.NestedString(alert, path...); text == "" {
					t.Errorf("%s has no %s", name, strings.Join(path, "."))
				}
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	objects := render(t, chart.Options{Values: monitored("metrics.dashboard.annotations", map[string]any{"grafana_folder": "mesh"})})
	config := find(objects, "ConfigMap", "warifu-dashboard")
	if config.GetLabels()["grafana_dashboard"] != "1" || config.GetAnnotations()["grafana_folder"] != "mesh" {
		t.Errorf("labels %v, annotations %v", config.GetLabels(), config.GetAnnotations())
	}
	text, _, _ := unstructured.NestedString(config.Object, "data", "warifu.json")
	var dashboard struct {
		UID, Title string
		Panels     []panel
	}
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || dashboard.Title == "" || len(dashboard.Panels) == 0 {
		t.Errorf("uid %q, title %q, %d panels", dashboard.UID, dashboard.Title, len(dashboard.Panels))
	}
	known := knownMetrics(t)
	for i, p := range dashboard.Panels {
		for _, other := range dashboard.Panels[:i] {
			if p.ID == other.ID || p.overlaps(other) {
				t.Errorf("panels %q and %q have the same id or place", p.Title, other.Title)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `job="$job"`) {
				t.Errorf("panel %q asks %s of %s, not of what was chosen", p.Title, target.Expr, target.Datasource.UID)
			}
			known.check(t, "panel "+p.Title, target.Expr)
		}
	}
}

// panel is what of a panel can be wrong.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr       string
		Datasource struct{ UID string }
	}
}

func (p panel) overlaps(o panel) bool {
	a, b := p.GridPos, o.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// metricSet is the labels of each metric that there is.
type metricSet map[string][]string

// knownMetrics are those that docs/metrics.md lists, which is made from the code, and those of others that we use.
func knownMetrics(t *testing.T) metricSet {
	t.Helper()
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := metricSet{
		"leader_election_master_status":                     {"name"},
		"controller_runtime_webhook_latency_seconds_bucket": {"webhook", "le"},
		"controller_runtime_reconcile_errors_total":         {"controller"},
		"workqueue_depth":                                   {"name", "controller", "priority"},
		"process_resident_memory_bytes":                     nil,
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(warifu_\\w+)` \\| \\w+ \\| ([^|]+) \\|").FindAllStringSubmatch(string(page), -1) {
		known[row[1]] = regexp.MustCompile(`\w+`).FindAllString(row[2], -1)
	}
	if len(known) < 10 {
		t.Fatalf("docs/metrics.md lists %d metrics", len(known))
	}
	return known
}

var (
	selectors = regexp.MustCompile(`\{([^}]*)\}`)
	quoted    = regexp.MustCompile(`"[^"]*"`)
	groupings = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	ranges    = regexp.MustCompile(`\[[^\]]*\]`)
	words     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\s*\(?`)
	operators = []string{"and", "or", "unless", "bool", "offset"}
)

// check fails on a metric or label that does not exist.
func (known metricSet) check(t *testing.T, where, expr string) {
	t.Helper()
	for _, problem := range known.problems(expr) {
		t.Errorf("%s: %s: %s", where, problem, expr)
	}
}

func (known metricSet) problems(expr string) []string {
	var problems, used []string
	plain := quoted.ReplaceAllString(expr, `""`)
	bare := plain
	for _, part := range []*regexp.Regexp{selectors, groupings, ranges} {
		bare = part.ReplaceAllString(bare, " ")
	}
	attached := []string{"job", "instance", "pod", "namespace"} // by whoever scrapes
	for _, word := range words.FindAllString(bare, -1) {
		word = strings.TrimSpace(word)
		if strings.HasSuffix(word, "(") || slices.Contains(operators, word) {
			continue
		}
		metricLabels, ok := known[word]
		if !ok {
			problems = append(problems, fmt.Sprintf("there is no metric %s", word))
		}
		used, attached = append(used, word), append(attached, metricLabels...)
	}
	if len(used) == 0 {
		problems = append(problems, "it asks for no metric")
	}
	var mentioned []string
	for _, s := range selectors.FindAllStringSubmatch(plain, -1) {
		mentioned = append(mentioned, regexp.MustCompile(`\w+`).FindAllString(s[1], -1)...)
	}
	for _, g := range groupings.FindAllStringSubmatch(plain, -1) {
		mentioned = append(mentioned, regexp.MustCompile(`\w+`).FindAllString(g[1], -1)...)
	}
	for _, label := range mentioned {
		if !slices.Contains(attached, label) {
			problems = append(problems, fmt.Sprintf("%s has no label %s", strings.Join(used, ", "), label))
		}
	}
	return problems
}

// TestUnknownMetricsAreFound: the check above sees what it is for.
func TestUnknownMetricsAreFound(t *testing.T) {
	known := metricSet{"warifu_x": {"reason"}, "warifu_y": nil}
	for expr, want := range map[string]int{
		`sum by (reason) (rate(warifu_x{reason="gone"}[5m])) > 0 and max(warifu_y) - time() < 7 * 86400`: 0,
		`sum(warifu_z)`:                                1,
		`sum by (kind) (warifu_x)`:                     1,
		`warifu_x{kind="warifu_z"}`:                    1,
		`vector(1)`:                                    1,
		`warifu_x or warifu_gone_total{reason=~"a|b"}`: 1,
	} {
		if got := known.problems(expr); len(got) != want {
			t.Errorf("%s: %d problems, want %d: %v", expr, len(got), want, got)
		}
	}
}
