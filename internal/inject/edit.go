package inject

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Operation is one step of a JSON patch (RFC 6902).
type Operation struct {
	Op    string `json:"op"`
	From  string `json:"from,omitempty"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Paths in a pod.
const (
	pathAnnotations    = "/metadata/annotations"
	pathVolumes        = "/spec/volumes"
	pathContainers     = "/spec/containers"
	pathInitContainers = "/spec/initContainers"
)

// editor changes a pod and notes each change as an operation on the document that the pod was read from. The document may
// have fields that our types lack: an operation therefore touches one item, and never writes back a whole that was read.
type editor struct {
	pod *corev1.Pod
	ops []Operation
}

func (e *editor) add(path string, value any) {
	e.ops = append(e.ops, Operation{Op: "add", Path: path, Value: value})
}

// annotate sets an annotation.
func (e *editor) annotate(key, value string) {
	old, set := e.pod.Annotations[key]
	if set && old == value {
		return
	}
	if len(e.pod.Annotations) == 0 {
		e.pod.Annotations = map[string]string{}
		e.add(pathAnnotations, map[string]string{key: value})
	} else {
		e.add(pathAnnotations+"/"+escape(key), value)
	}
	e.pod.Annotations[key] = value
}

// insert puts an item into the list at path.
func insert[T any](e *editor, list *[]T, path string, at int, item T) {
	if len(*list) == 0 {
		*list = []T{item}
		e.add(path, []T{item})
		return
	}
	*list = slices.Insert(*list, at, item)
	e.add(itemPath(path, at), item)
}

// move brings the item at from to an earlier place.
func move[T any](e *editor, list []T, path string, from, to int) {
	item := list[from]
	copy(list[to+1:from+1], list[to:from])
	list[to] = item
	e.ops = append(e.ops, Operation{Op: "move", From: itemPath(path, from), Path: itemPath(path, to)})
}

// remove takes a member out.
func (e *editor) remove(path string) {
	e.ops = append(e.ops, Operation{Op: "remove", Path: path})
}

// itemPath is the path of an item of the list at path.
func itemPath(path string, i int) string { return path + "/" + strconv.Itoa(i) }

// escape writes a key as a token of a JSON pointer (RFC 6901).
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
