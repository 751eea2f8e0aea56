package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// line is one number and its target, if it has one.
type line struct {
	what, is, goal string
	within         bool
}

// report collects lines.
type report struct{ lines []line }

func (r *report) add(lines ...line) { r.lines = append(r.lines, lines...) }

func (r *report) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "MEASURED\tTARGET\tSTANDS\tIS")
	for _, l := range r.lines {
		stands := "OVER"
		switch {
		case l.goal == "":
			stands = "-"
		case l.within:
			stands = "within"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", l.what, l.goal, stands, l.is)
	}
	_ = table.Flush()
}
