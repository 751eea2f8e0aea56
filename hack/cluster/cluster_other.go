//go:build !linux

package main

import (
	"context"
	"errors"

	"github.com/warifu/warifu/hack/cluster/plan"
)

const commandNode = "node"

var errSystem = errors.New("a local cluster needs Linux; set KUBECONFIG to use one that runs elsewhere")

type cluster struct {
	id     plan.ID
	folder plan.Folder
	root   string
	steps  *steps
}

func runNode([]string) error                          { return errSystem }
func (*cluster) up(context.Context, int) error        { return errSystem }
func (*cluster) status(context.Context) error         { return errSystem }
func (*cluster) load(context.Context, []string) error { return errSystem }
func (*cluster) down(context.Context) error           { return errSystem }
