package app

import (
	"context"

	"k8s.io/client-go/rest"
)

// Run runs the operator until ctx ends or leadership is lost.
func Run(ctx context.Context, client *rest.Config, config Config) error { panic("surface") }
