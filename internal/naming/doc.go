// Package naming is Warifu's one shared vocabulary: every label, annotation, port, path, environment variable, uid,
// ALPN token and object name that two parts of Warifu must agree on stands here and nowhere else.
//
// It imports nothing of ours, so that everything may import it.
package naming
