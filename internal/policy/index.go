package policy

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Index is the compiled view of all objects. It is safe for concurrent use; it never changes or keeps a pointer into an
// object it is given.
type Index struct{}

// NewIndex returns an empty index.
func NewIndex(s Settings) *Index { panic("surface") }

// Change says what a single object change may have altered, so that callers redo only that.
type Change struct {
	// Policies whose findings or selected workloads may differ now.
	Policies []proxyconfig.ObjectRef
	// Workloads whose inbound configuration or client default may differ now. Nil with AllWorkloads.
	Workloads []types.NamespacedName
	// AllWorkloads: the change concerns every workload (a mesh-wide policy), which are not listed one by one.
	AllWorkloads bool
}

// SetSettings replaces the settings (a TrustDomain's aliases changed).
func (ix *Index) SetSettings(s Settings) Change { panic("surface") }

// SetPeerAuthentication adds or replaces the object. The other Set methods do the same for their kinds.
func (ix *Index) SetPeerAuthentication(o *v1alpha1.PeerAuthentication) Change   { panic("surface") }
func (ix *Index) SetDestinationRule(o *v1alpha1.DestinationRule) Change         { panic("surface") }
func (ix *Index) SetAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy) Change { panic("surface") }
func (ix *Index) SetNamespace(o Namespace) Change                               { panic("surface") }
func (ix *Index) SetWorkload(o Workload) Change                                 { panic("surface") }
func (ix *Index) SetService(o Service) Change                                   { panic("surface") }
func (ix *Index) SetEndpointSlice(o EndpointSlice) Change                       { panic("surface") }

// Delete removes an object by kind: a v1alpha1.Kind* constant, or "Namespace", "Pod", "Service", "EndpointSlice".
func (ix *Index) Delete(kind string, name types.NamespacedName) Change { panic("surface") }

// Workload returns what the index knows of a pod.
func (ix *Index) Workload(name types.NamespacedName) (Workload, bool) { panic("surface") }

// Compile is the inbound configuration of a workload in the index.
func (ix *Index) Compile(name types.NamespacedName) (*proxyconfig.Config, bool) { panic("surface") }

// CompileFor is Compile for a workload that the index need not know: a pod at admission, which has no name yet.
func (ix *Index) CompileFor(w Workload) *proxyconfig.Config { panic("surface") }

// Destination is what a client dials, as far as it is known.
type Destination struct {
	// Service dialled; empty for an IP literal or a host outside the cluster.
	Service types.NamespacedName
	// Host is the IP literal or foreign name dialled when Service is empty.
	Host string
	// Port is the service port, or the dialled port without a Service.
	Port uint16
	// Workload is the endpoint chosen; empty when it is not a pod. WorkloadPort is its port after targetPort.
	Workload     types.NamespacedName
	WorkloadPort uint16
}

// Client is the TLS choice of a client workload for a destination.
func (ix *Index) Client(client Workload, to Destination) proxyconfig.ClientTLS { panic("surface") }

// ClientDefault is the TLS choice of a client workload for a service that no narrower rule names: what the environment and
// the mode file of a pod say. Without a rule it is ISTIO_MUTUAL, Auto.
func (ix *Index) ClientDefault(client Workload) proxyconfig.ClientTLS { panic("surface") }

// Findings about one object, in a fixed order.
func (ix *Index) Findings(object proxyconfig.ObjectRef) []Finding { panic("surface") }

// AllFindings about all objects, ordered by object, then field.
func (ix *Index) AllFindings() []Finding { panic("surface") }

// Selected is the number of workloads that a policy selects, and how many of them enforce it (are proxied).
func (ix *Index) Selected(object proxyconfig.ObjectRef) (selected, proxied int) { panic("surface") }

// SelectedWorkloads lists them, sorted.
func (ix *Index) SelectedWorkloads(object proxyconfig.ObjectRef) []types.NamespacedName {
	panic("surface")
}
