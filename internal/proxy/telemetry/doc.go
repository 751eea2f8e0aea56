// Package telemetry is what the data plane says about itself: an access log of JSON lines and metrics with bounded labels.
//
// Both are fed by Recorder.Record on the data path. Counting is a handful of atomic additions. A line of the log goes into a
// bounded queue in memory, from which Recorder.Run writes it: were it written directly, a node whose disk or log reader
// stands still would hold up every connection of the pod. What does not fit is dropped and counted.
package telemetry
