package crd

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestTrustDomainInOneLine: kubectl get wtd tells how the CA is. Times to come are written out: kubectl shows the age of a
// date, which for these is <invalid>.
func TestTrustDomainInOneLine(t *testing.T) {
	c := cluster.Require(t)
	object := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: "columns.example"}}
	if err := c.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Client.Delete(t.Context(), object) })
	expiry, renewal := metav1.Date(2126, 3, 4, 5, 6, 7, 0, time.UTC), metav1.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)
	object.Status = v1alpha1.TrustDomainStatus{
		Signer:     &v1alpha1.CertificateStatus{NotBefore: renewal, NotAfter: expiry},
		Identities: v1alpha1.IdentityStatus{Issued: 12, Pending: 3, Failed: 1, NextRenewal: &renewal},
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "CAUnreadable", Message: "no key in it", LastTransitionTime: metav1.Now(),
		}},
	}
	if err := c.Client.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ args, want string }{
		{"get wtd columns.example", "columns.example Builtin False CAUnreadable 12 3 1 2126-03-04T05:06:07Z "},
		{"get wtd columns.example -o wide", "columns.example Builtin False CAUnreadable 12 3 1 2126-03-04T05:06:07Z 2126-01-02T03:04:05Z no key in it "},
	} {
		out, err := c.Kubectl(t.Context(), "", append(strings.Fields(tc.args), "--no-headers")...)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(out), " "); !strings.HasPrefix(got, tc.want) {
			t.Errorf("kubectl %s:\n%s\nwant %s", tc.args, got, tc.want)
		}
	}
}
