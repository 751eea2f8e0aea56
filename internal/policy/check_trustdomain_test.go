package policy

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
)

func TestCheckTrustDomain(t *testing.T) {
	duration := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	for _, tc := range []struct {
		name string
		edit func(*v1alpha1.TrustDomain)
		want string // "severity field reason" of the only finding
	}{
		{"good", func(*v1alpha1.TrustDomain) {}, ""},
		{"aliases", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"old.example", "older_.example"} }, ""},
		{"another trust domain", func(o *v1alpha1.TrustDomain) { o.Name = "other.example" }, "Warning metadata.name NotServed"},
		{"upper case", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"Old.example"} }, "Error spec.aliases[0] Invalid"},
		{"itself", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"a", "cluster.local"} }, "Error spec.aliases[1] Duplicate"},
		{"twice", func(o *v1alpha1.TrustDomain) { o.Spec.Aliases = []string{"a", "a"} }, "Error spec.aliases[1] Duplicate"},
		{"too many", func(o *v1alpha1.TrustDomain) {
			for i := range 17 {
				o.Spec.Aliases = append(o.Spec.Aliases, string(rune('a'+i)))
			}
		}, "Error spec.aliases TooMany"},
		{"unknown issuer", func(o *v1alpha1.TrustDomain) { o.Spec.Issuer.Type = "Vault" }, "Error spec.issuer.type Invalid"},
		{"nobody's issuer", func(o *v1alpha1.TrustDomain) { o.Spec.Issuer.Type = v1alpha1.IssuerCertManagerLeaf }, "Error spec.issuer.certManager.issuerRef Required"},
		{"an issuer that everybody can ask for a CA", func(o *v1alpha1.TrustDomain) {
			o.Spec.Issuer = v1alpha1.IssuerSpec{Type: v1alpha1.IssuerCertManagerIntermediate, CertManager: &v1alpha1.CertManagerSpec{
				IssuerRef: v1alpha1.IssuerReference{Kind: "ClusterIssuer", Name: "mesh"},
			}}
		}, "Error spec.issuer.certManager.issuerRef.kind Invalid"},
		{"nobody is trusted", func(o *v1alpha1.TrustDomain) {
			o.Spec.Issuer = v1alpha1.IssuerSpec{Type: v1alpha1.IssuerCertManagerLeaf, CertManager: &v1alpha1.CertManagerSpec{
				IssuerRef: v1alpha1.IssuerReference{Kind: "ClusterIssuer", Name: "mesh"},
			}}
		}, "Error spec.issuer.certManager.roots Required"},
		{"unknown key", func(o *v1alpha1.TrustDomain) { o.Spec.WorkloadCertificates.KeyAlgorithm = "RSA" }, "Error spec.workloadCertificates.keyAlgorithm Invalid"},
		{"too short", func(o *v1alpha1.TrustDomain) { o.Spec.WorkloadCertificates.Lifetime = duration(9 * time.Minute) }, "Error spec.workloadCertificates.lifetime Invalid"},
		{"short", func(o *v1alpha1.TrustDomain) { o.Spec.WorkloadCertificates.Lifetime = duration(10 * time.Minute) }, ""},
		{"too long", func(o *v1alpha1.TrustDomain) { o.Spec.WorkloadCertificates.Lifetime = duration(2161 * time.Hour) }, "Error spec.workloadCertificates.lifetime Invalid"},
		{"CA no longer than what it signs", func(o *v1alpha1.TrustDomain) {
			o.Spec.WorkloadCertificates.Lifetime, o.Spec.CA.Lifetime = duration(24*time.Hour), duration(24*time.Hour)
		}, "Warning spec.ca.lifetime ShortCA"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: "cluster.local"}}
			tc.edit(o)
			got := ""
			for _, f := range CheckTrustDomain(o, Settings{TrustDomain: "cluster.local"}, ShortestLifetime) {
				got += string(f.Severity) + " " + f.Field + " " + string(f.Reason)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
