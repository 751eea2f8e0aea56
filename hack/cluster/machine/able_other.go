//go:build !linux

package machine

import "errors"

// Able is an error where this machine, or this user, cannot run a node. It says what is in the way.
func Able() error { return errors.New("that needs Linux") }
