// Package inject decides what a pod needs to take part, and writes it into the pod.
//
// Decide is a pure function of the pod, its namespace, the settings and the policy modes; it answers with a plan, a typed
// reason to skip, or a refusal that says the way out. Apply carries a plan out on the pod and returns the same changes as a
// JSON patch, so that fields which this build does not know are never touched.
//
// What is ours in a pod is read from its spec alone: annotations are written for people and never believed. Applying twice
// changes nothing more, and applying after another webhook has added a container gives that container its share.
package inject
