package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/warifu/warifu/api/v1alpha1"
)

// seen waits until the operator has said something about every object of ours.
func (d *demo) seen(ctx context.Context) error {
	return d.until(ctx, "every policy has a status", func(ctx context.Context) error {
		list, err := d.list(ctx)
		if err != nil {
			return err
		}
		for _, object := range list {
			if verdict(object) == nil {
				return fmt.Errorf("%s %s has no condition yet", object.GetKind(), object.GetName())
			}
		}
		return nil
	})
}

// policies shows the status that every object of ours has.
func (d *demo) policies(ctx context.Context) error {
	if err := d.seen(ctx); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "get", "warifu", "-A"); err != nil {
		return err
	}
	list, err := d.list(ctx)
	if err != nil {
		return err
	}
	good := 0
	for _, object := range list {
		v := verdict(object)
		if v["status"] != "True" {
			d.report.Check(false, "%s %s/%s: %v: %v", object.GetKind(), object.GetNamespace(), object.GetName(), v["reason"], v["message"])
			continue
		}
		good++
	}
	d.report.Check(good > 0 && good == len(list), "%d of %d objects are accepted", good, len(list))
	return nil
}

// list is every object of the category warifu.
func (d *demo) list(ctx context.Context) ([]unstructured.Unstructured, error) {
	out, err := d.cluster.Kubectl(ctx, "", "get", "warifu", "-A", "-o", "json")
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	err = json.Unmarshal([]byte(out), list)
	return list.Items, err
}

// verdict is the condition that says whether the object, as it is now, is in order; nil while nobody has said so.
func verdict(object unstructured.Unstructured) map[string]any {
	kind := v1alpha1.ConditionAccepted
	if object.GetKind() == v1alpha1.KindTrustDomain {
		kind = v1alpha1.ConditionReady
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		c, ok := c.(map[string]any)
		if ok && c["type"] == kind && fmt.Sprint(c["observedGeneration"]) == fmt.Sprint(object.GetGeneration()) {
			return c
		}
	}
	return nil
}

// answer is what the demo reads of warifu explain's JSON.
type answer struct {
	Allowed   bool `json:"allowed"`
	Transport struct {
		Outcome string `json:"outcome"`
	} `json:"transport"`
}

// explain asks the CLI about two connections.
func (d *demo) explain(ctx context.Context) error {
	for i, question := range questions {
		if i > 0 {
			d.report.Line("")
		}
		d.report.Command("warifu", "explain", strings.Join(question.args, " "))
		text, err := d.cli(ctx, append([]string{"explain"}, question.args...)...)
		if err != nil {
			return err
		}
		d.report.Block(text)
		raw, err := d.cli(ctx, append([]string{"explain", "-o", "json"}, question.args...)...)
		if err != nil {
			return err
		}
		var got answer
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			return fmt.Errorf("the answer is not JSON: %w: %s", err, raw)
		}
		d.report.Check(got.Allowed == question.allowed && got.Transport.Outcome == question.outcome,
			"%s: %s, allowed: %t", question.who, got.Transport.Outcome, got.Allowed)
	}
	return nil
}
