// Package cli is the command line of warifu: what is wrong with my policies (validate), and what happens to this connection
// and why (explain). Both ask the compiler that the operator runs, about files or about a cluster.
package cli
