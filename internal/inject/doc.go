// Package inject decides what a pod needs to take part, and writes it into the pod. Decide is a pure function of the pod, its
// namespace and the settings, and answers with a plan, a typed reason to skip, or a refusal that says the way out. Apply
// carries a plan out; applying it twice changes nothing more.
package inject
