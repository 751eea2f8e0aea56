package authz

import (
	"testing"

	"github.com/warifu/warifu/internal/proxyconfig"
)

func TestReadsHeaders(t *testing.T) {
	header := when(condition{Key: "request.headers[x-team]", Values: []string{"blue"}})
	notHeader := when(condition{Key: "request.headers[x-team]", NotValues: []string{"blue"}})
	path := to(operation{Paths: []string{"/x"}})
	tests := []struct {
		name     string
		policies []proxyconfig.Policy
		want     bool
	}{
		{"no policy", nil, false},
		{"other fields", []proxyconfig.Policy{allow(path), deny(when(condition{Key: "source.ip", Values: []string{"10.0.0.1"}}))}, false},
		{"ALLOW, in a later rule", []proxyconfig.Policy{deny(path), allow(path, header)}, true},
		{"DENY, only what it must not be", []proxyconfig.Policy{deny(notHeader)}, true},
		{"AUDIT", []proxyconfig.Policy{audit(header)}, true},
		{"dry-run", []proxyconfig.Policy{dryRun(allow(header))}, true},
		{"one of several", []proxyconfig.Policy{allow(header), allow(path)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := compile(t, permissive(tt.policies...)).ReadsHeaders(); got != tt.want {
				t.Errorf("ReadsHeaders() = %t, want %t", got, tt.want)
			}
		})
	}
}
