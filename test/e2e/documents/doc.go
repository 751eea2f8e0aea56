// Package documents says what the end-to-end tests do with each block of README.md and docs/: a block of commands is typed as
// it stands and its answers compared, a policy is applied, and what is done otherwise, or not at all, is in a list with a
// reason. It is apart from the tests that do it, so that it is known without a cluster whether every block has its place.
package documents
