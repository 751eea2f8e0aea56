package kubelet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// bind gives the pod to this node, as the scheduler does, so that its deletion waits for this kubelet.
func (p *Pod) bind(ctx context.Context) error {
	pod := p.Object()
	if pod.Spec.NodeName == "" {
		binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: p.node.Name}}
		if err := p.node.options.Client.SubResource("binding").Create(ctx, pod, binding); err != nil {
			return fmt.Errorf("%s: binding it to its node: %w", p.name(), err)
		}
	}
	return p.look(ctx)
}

// hasAddress tells the cluster what address the pod has, before its containers start.
func (p *Pod) hasAddress(ctx context.Context) error {
	return p.patchStatus(ctx, func(status *corev1.PodStatus) {
		status.Phase = corev1.PodPending
		status.HostIP = p.node.options.Network.HostIPv4.String()
		status.PodIP = p.Net.IPv4.String()
		status.PodIPs = []corev1.PodIP{{IP: p.Net.IPv4.String()}, {IP: p.Net.IPv6.String()}}
		status.StartTime = new(metav1.Now())
		setCondition(status, corev1.PodScheduled, true)
	})
}

// SetReady tells the cluster that the pod runs, and whether it is ready to be sent requests.
func (p *Pod) SetReady(ctx context.Context, ready bool) error {
	pod := p.Object()
	return p.patchStatus(ctx, func(status *corev1.PodStatus) {
		status.Phase = corev1.PodRunning
		setCondition(status, corev1.PodInitialized, true)
		setCondition(status, corev1.ContainersReady, ready)
		setCondition(status, corev1.PodReady, ready)
		running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
		status.InitContainerStatuses, status.ContainerStatuses = nil, nil
		for _, c := range pod.Spec.InitContainers {
			state := running
			if c.Name != naming.ContainerProxy {
				state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: metav1.Now()}}
			}
			status.InitContainerStatuses = append(status.InitContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Image: c.Image, Ready: true, Started: new(state.Running != nil), State: state,
			})
		}
		for _, c := range pod.Spec.Containers {
			status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Image: c.Image, Ready: ready, Started: new(true), State: running,
			})
		}
	})
}

// hasEnded tells the cluster that nothing of the pod runs any more.
func (p *Pod) hasEnded(ctx context.Context) error {
	return p.patchStatus(ctx, func(status *corev1.PodStatus) {
		status.Phase = corev1.PodSucceeded
		setCondition(status, corev1.ContainersReady, false)
		setCondition(status, corev1.PodReady, false)
		for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses} {
			for i := range list {
				list[i].Ready, list[i].Started = false, new(false)
				list[i].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: metav1.Now()}}
			}
		}
	})
}

func (p *Pod) patchStatus(ctx context.Context, change func(*corev1.PodStatus)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.object.DeepCopy()
	change(&p.object.Status)
	if err := p.node.options.Client.Status().Patch(ctx, p.object, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("patching the status of pod %s/%s: %w", before.Namespace, before.Name, err)
	}
	return nil
}

func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, yes bool) {
	value := corev1.ConditionFalse
	if yes {
		value = corev1.ConditionTrue
	}
	for i := range status.Conditions {
		if c := &status.Conditions[i]; c.Type == kind {
			if c.Status != value {
				c.Status, c.LastTransitionTime = value, metav1.Now()
			}
			return
		}
	}
	status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: value, LastTransitionTime: metav1.Now()})
}
