// Package plan says what the local cluster looks like: addresses, folders, certificates, configuration files and command
// lines. It starts nothing; package machine does.
package plan
