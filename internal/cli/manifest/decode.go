package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Reasons of findings about manifests.
const (
	// ReasonNotReadable: the document is no YAML or JSON object.
	ReasonNotReadable policy.Reason = "NotReadable"
	// ReasonForeignKind: the document is of Istio's API, whose YAML works after a change of apiVersion.
	ReasonForeignKind policy.Reason = "ForeignAPIVersion"
	// ReasonUnknownKind: the group is ours and has no such kind or version.
	ReasonUnknownKind policy.Reason = "UnknownKind"
	// ReasonUnknownField: the kind has no such field.
	ReasonUnknownField policy.Reason = "UnknownField"
	// ReasonWrongType: the value of a field is of another type.
	ReasonWrongType policy.Reason = "WrongType"
	// ReasonNoName: the object has no name.
	ReasonNoName policy.Reason = "NoName"
	// ReasonRepeated: the object was read before, with other contents perhaps.
	ReasonRepeated policy.Reason = "Repeated"
)

// kindFile stands in a finding's object where a document is not an object.
const kindFile = "File"

// defaultNamespace is where kubectl puts an object that names none.
const defaultNamespace = "default"

// split cuts a YAML stream into its documents.
func split(data []byte) [][]byte {
	var documents [][]byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if err != nil { // only io.EOF: the source is memory
			return documents
		}
		documents = append(documents, document)
	}
}

// decoder takes in the documents of one source.
type decoder struct {
	set      *Set
	source   string
	document int
}

// addDocument takes in one YAML document, or JSON objects one after the other.
func (d *decoder) addDocument(document []byte) {
	if objects, ok := jsonStream(document); ok {
		for _, raw := range objects {
			d.addObject(raw, metav1.TypeMeta{})
		}
		return
	}
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		d.unreadable(err)
		return
	}
	if string(raw) != "null" { // an empty document, or nothing but comments
		d.addObject(raw, metav1.TypeMeta{})
	}
}

// jsonStream is the objects of a document that is JSON through and through.
func jsonStream(document []byte) ([]json.RawMessage, bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(document), []byte("{")) {
		return nil, false
	}
	var objects []json.RawMessage
	for decoder := json.NewDecoder(bytes.NewReader(document)); ; {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return objects, true
		} else if err != nil {
			return nil, false
		}
		objects = append(objects, raw)
	}
}

// head is what every object begins with.
type head struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
		Namespace    string `json:"namespace"`
	} `json:"metadata"`
	Items *[]json.RawMessage `json:"items"`
}

// addObject takes in one object; a list gives the type of items that have none of their own.
func (d *decoder) addObject(raw []byte, inherited metav1.TypeMeta) {
	var h head
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &h); err != nil {
		d.unreadable(err)
		return
	}
	if h.Kind == "" && h.APIVersion == "" {
		h.TypeMeta = inherited
	}
	if h.Kind == "" || h.APIVersion == "" {
		d.unreadable(errors.New("it is not a Kubernetes object: apiVersion and kind are both needed"))
		return
	}
	if itemKind, isList := strings.CutSuffix(h.Kind, "List"); isList && h.Items != nil {
		for _, item := range *h.Items {
			d.addObject(item, metav1.TypeMeta{APIVersion: h.APIVersion, Kind: itemKind})
		}
		return
	}
	d.addTyped(raw, h)
}

// addTyped takes in an object of a kind that the compiler reads.
func (d *decoder) addTyped(raw []byte, h head) {
	s := d.set
	group, _, _ := strings.Cut(h.APIVersion, "/")
	switch {
	case group == v1alpha1.GroupVersion.Group:
		d.addOurs(raw, h)
	case strings.HasSuffix(group, ".istio.io"):
		d.foreign(h)
	case h.APIVersion == "v1" && h.Kind == "Namespace":
		add(d, &s.Namespaces, raw, h, false, false)
	case h.APIVersion == "v1" && h.Kind == policy.KindNode:
		add(d, &s.Nodes, raw, h, false, false)
	case h.APIVersion == "v1" && h.Kind == "Pod":
		add(d, &s.Pods, raw, h, true, false)
	case h.APIVersion == "v1" && h.Kind == "Service":
		add(d, &s.Services, raw, h, true, false)
	case h.APIVersion == discoveryv1.SchemeGroupVersion.String() && h.Kind == "EndpointSlice":
		add(d, &s.EndpointSlices, raw, h, true, false)
	}
}

// addOurs takes in an object of our group, strictly: a misspelt field in a policy is a hole in it.
func (d *decoder) addOurs(raw []byte, h head) {
	s := d.set
	if h.APIVersion != v1alpha1.GroupVersion.String() {
		d.finding(h, "apiVersion", ReasonUnknownKind, "there is no version %s: write %s", h.APIVersion, v1alpha1.GroupVersion)
		return
	}
	switch h.Kind {
	case v1alpha1.KindPeerAuthentication:
		add(d, &s.PeerAuthentications, raw, h, true, true)
	case v1alpha1.KindDestinationRule:
		add(d, &s.DestinationRules, raw, h, true, true)
	case v1alpha1.KindAuthorizationPolicy:
		add(d, &s.AuthorizationPolicies, raw, h, true, true)
	case v1alpha1.KindTrustDomain:
		add(d, &s.TrustDomains, raw, h, false, true)
	default:
		d.finding(h, "kind", ReasonUnknownKind, "%s has no kind %s: it has %s, %s, %s and %s", v1alpha1.GroupVersion, h.Kind,
			v1alpha1.KindPeerAuthentication, v1alpha1.KindDestinationRule, v1alpha1.KindAuthorizationPolicy, v1alpha1.KindTrustDomain)
	}
}

// object is a pointer to a Kubernetes object.
type object[T any] interface {
	*T
	metav1.Object
}

// add decodes an object and appends it to its list.
func add[T any, P object[T]](d *decoder, to *[]P, raw []byte, h head, namespaced, strict bool) {
	obj := P(new(T))
	problems, ok := decode(raw, obj, strict)
	for _, p := range problems {
		d.finding(h, p.field, p.reason, "%s", p.message)
	}
	if !ok {
		return
	}
	if obj.GetName() == "" && !strict {
		obj.SetName(obj.GetGenerateName()) // a pod template's name is not known before it is created
	}
	if obj.GetName() == "" {
		d.finding(h, "metadata.name", ReasonNoName, "the object has no name: give it one")
		return
	}
	if namespaced && obj.GetNamespace() == "" {
		obj.SetNamespace(defaultNamespace)
	}
	if !namespaced {
		obj.SetNamespace("")
	}
	if d.repeated(h) {
		*to = slices.DeleteFunc(*to, func(o P) bool { return o.GetName() == obj.GetName() && o.GetNamespace() == obj.GetNamespace() })
	}
	*to = append(*to, obj)
}

// repeated notes an object, and reports one that was noted before.
func (d *decoder) repeated(h head) bool {
	ref := h.ref()
	if h.Metadata.Name == "" { // of a template many pods may be made
		return false
	}
	if _, before := d.set.seen[ref]; before {
		d.set.Findings = append(d.set.Findings, policy.Finding{Object: ref, Severity: policy.SeverityWarning, Field: "metadata.name",
			Reason: ReasonRepeated, Message: "the object is given more than once: only the last one holds; remove the others"})
		return true
	}
	if d.set.seen == nil {
		d.set.seen = map[proxyconfig.ObjectRef]struct{}{}
	}
	d.set.seen[ref] = struct{}{}
	return false
}

// foreign reports an object of Istio's API.
func (d *decoder) foreign(h head) {
	switch h.Kind {
	case v1alpha1.KindPeerAuthentication, v1alpha1.KindDestinationRule, v1alpha1.KindAuthorizationPolicy:
		d.finding(h, "apiVersion", ReasonForeignKind, "%s is not read: change apiVersion to %s", h.APIVersion, v1alpha1.GroupVersion)
	default:
		d.set.Findings = append(d.set.Findings, policy.Finding{Object: h.ref(), Severity: policy.SeverityWarning, Field: "kind",
			Reason: ReasonForeignKind, Message: fmt.Sprintf("%s %s is not read: Warifu has no such kind", h.APIVersion, h.Kind)})
	}
}

func (h head) ref() proxyconfig.ObjectRef {
	ref := proxyconfig.ObjectRef{Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}
	if ref.Name == "" {
		ref.Name = h.Metadata.GenerateName
	}
	if ref.Namespace == "" && h.Kind != v1alpha1.KindTrustDomain && h.Kind != policy.KindNamespace && h.Kind != policy.KindNode {
		ref.Namespace = defaultNamespace
	}
	return ref
}

func (d *decoder) finding(h head, field string, reason policy.Reason, format string, args ...any) {
	d.set.Findings = append(d.set.Findings, policy.Finding{Object: h.ref(), Severity: policy.SeverityError, Field: field,
		Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// unreadable reports a document that is no object; the object of the finding is the file.
func (d *decoder) unreadable(err error) {
	d.set.Findings = append(d.set.Findings, policy.Finding{
		Object:   proxyconfig.ObjectRef{Kind: kindFile, Name: d.source},
		Severity: policy.SeverityError, Reason: ReasonNotReadable,
		Message: fmt.Sprintf("document %d cannot be read: %v", d.document, err),
	})
}
