package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// policies shows the status that every object of ours has.
func (d *demo) policies(ctx context.Context) error {
	err := d.until(ctx, "every policy has a status", func(ctx context.Context) error {
		list, err := d.list(ctx)
		if err != nil {
			return err
		}
		for _, object := range list {
			if condition(object, "Accepted") == nil {
				return fmt.Errorf("%s %s has no condition Accepted", object.GetKind(), object.GetName())
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.kubectl(ctx, "get", "warifu", "-A"); err != nil {
		return err
	}
	list, err := d.list(ctx)
	if err != nil {
		return err
	}
	accepted := 0
	for _, object := range list {
		c := condition(object, "Accepted")
		if c["status"] != "True" {
			d.report.check(false, "%s %s/%s is accepted: %v: %v", object.GetKind(), object.GetNamespace(), object.GetName(), c["reason"], c["message"])
			continue
		}
		accepted++
	}
	d.report.check(accepted > 0 && accepted == len(list), "%d of %d objects are accepted", accepted, len(list))
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

// condition is a condition that is about the object as it is now, or nil.
func condition(object unstructured.Unstructured, kind string) map[string]any {
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
	for _, question := range questions {
		d.report.command("warifu", "explain", strings.Join(question.args, " "))
		text, err := d.cli(ctx, question.args...)
		if err != nil {
			return err
		}
		d.report.block(text)
		raw, err := d.cli(ctx, append([]string{"-o", "json"}, question.args...)...)
		if err != nil {
			return err
		}
		var got answer
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			return fmt.Errorf("the answer is not JSON: %w: %s", err, raw)
		}
		d.report.check(got.Allowed == question.allowed && got.Transport.Outcome == question.outcome,
			"%s: %s, allowed: %t", question.who, got.Transport.Outcome, got.Allowed)
		d.report.say("")
	}
	return nil
}
