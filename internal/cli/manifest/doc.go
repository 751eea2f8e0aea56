// Package manifest gathers what the compiler reads: from files in go YAML and JSON documents, from a cluster its objects;
// out comes a Set of typed objects. A document that cannot be used becomes a finding and never stops the others.
//
// Kinds that the compiler does not read are left out quietly, so that a whole deployment folder can be given.
package manifest
