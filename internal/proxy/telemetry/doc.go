// Package telemetry is what the data plane says about itself: an access log of JSON lines and metrics with bounded labels.
package telemetry
