// Package page reads the documents that people read, README.md and those of docs/, for tests that hold them to what they say:
// their fenced blocks, the commands in a block and what is shown below each, whether that is what a program printed, and a
// shell to type the commands into.
package page
