package controllers

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/certmanager"
)

// grant gives the operator of the realm the roles of a file in config/.
func (r *realm) grant(path string) {
	r.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "config", path))
	if err != nil {
		r.Fatal(err)
	}
	subject := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.namespace, Name: naming.ServiceAccountOperator}}
	for _, document := range bytes.Split(raw, []byte("---\n")) {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(document, &role); err != nil {
			r.Fatal(err)
		}
		name := metav1.ObjectMeta{Name: r.namespace + "-" + role.Name}
		switch role.Kind {
		case "ClusterRole":
			cluster := &rbacv1.ClusterRole{ObjectMeta: name, Rules: role.Rules}
			binding := &rbacv1.ClusterRoleBinding{ObjectMeta: name, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: name.Name}}
			r.create(cluster, binding)
			r.Cleanup(func() {
				if err := errors.Join(r.Client.Delete(context.Background(), cluster), r.Client.Delete(context.Background(), binding)); err != nil {
					r.Error(err)
				}
			})
		case "Role":
			name.Namespace = r.namespace
			r.create(&rbacv1.Role{ObjectMeta: name, Rules: role.Rules},
				&rbacv1.RoleBinding{ObjectMeta: name, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: name.Name}})
		}
	}
}

// TestRights runs the operator with the rights that it is installed with: without those on cert-manager it says so, and with
// them both types work.
func TestRights(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{})
	namespace := r.Namespace(t, optedIn)
	r.create(serviceAccount(r.namespace, naming.ServiceAccountOperator))
	r.grant("rbac/role.yaml")
	rights, err := r.As(t.Context(), r.namespace, naming.ServiceAccountOperator)
	if err != nil {
		t.Fatal(err)
	}
	r.rights = rights
	corporate, mesh := newAuthority(t, "corporate root"), newAuthority(t, "mesh root")
	r.issuer("corporate", corporate)
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "corporate", ""))
	r.start()
	r.condition(v1alpha1.ConditionReady, "False CertManagerForbidden")

	r.grant("cert-manager/role.yaml")
	r.signedBy(namespace, "default", corporate, 1)
	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", r.clusterIssuer(mesh), mesh.pem()))
	r.signedBy(namespace, "default", mesh, 0)
	r.ask(v1alpha1.IssuerBuiltin, nil)
	r.gone(namespace, "default")
	r.condition(v1alpha1.ConditionReady, "True Ready")
}
