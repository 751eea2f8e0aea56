package policy

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// WorkloadOf, NamespaceOf, ServiceOf and EndpointSliceOf gather from Kubernetes objects what the compiler needs.
func WorkloadOf(pod *corev1.Pod) Workload                        { panic("surface") }
func NamespaceOf(ns *corev1.Namespace) Namespace                 { panic("surface") }
func ServiceOf(svc *corev1.Service) Service                      { panic("surface") }
func EndpointSliceOf(s *discoveryv1.EndpointSlice) EndpointSlice { panic("surface") }
