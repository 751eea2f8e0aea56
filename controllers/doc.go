// Package controllers holds the thin reconcilers: get, gather, call a pure function, apply. Only what writes is leader-elected;
// feeding the index runs on every replica.
package controllers
