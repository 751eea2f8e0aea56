// Package explain answers one question from compiled policy: may this client do this to that workload, and who says so? In
// go the compiler's index and a Question, out comes an Answer: which inbound mode holds and whether anything enforces it, how
// the client begins, how the two meet on the wire, and what authorisation says.
//
// It is pure: the same objects and the same question give the same answer, on files and on a cluster.
package explain
