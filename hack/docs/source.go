package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// sourceFolders are where constants and metrics of the product stand.
var sourceFolders = []string{"api", "controllers", "internal", "webhooks"}

// sourceFile is one parsed file, without tests.
type sourceFile struct {
	// folder relative to the root, such as internal/policy.
	folder string
	ast    *ast.File
}

// parse reads all files in the order of their names.
func parse(root string) ([]sourceFile, error) {
	var files []sourceFile
	for _, folder := range sourceFolders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(root, filepath.Dir(path))
			files = append(files, sourceFile{filepath.ToSlash(relative), file})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// errNotLiteral: the generator reads the source and computes nothing.
var errNotLiteral = errors.New("it is not written as a literal, which the documentation is made from")

// text is the value of a string literal, or of several added up.
func text(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			return strconv.Unquote(e.Value)
		}
	case *ast.BinaryExpr:
		left, err := text(e.X)
		if err != nil || e.Op != token.ADD {
			return "", errNotLiteral
		}
		right, err := text(e.Y)
		return left + right, err
	}
	return "", errNotLiteral
}

// name of a type or function as it is written: Reason, policy.Reason.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return fmt.Sprintf("%s.%s", name(e.X), e.Sel.Name)
	}
	return ""
}

// sentence makes of a doc comment, which begins with the name of what it explains, a sentence of its own, on one line.
func sentence(comment *ast.CommentGroup, subject string) string {
	line := strings.Join(strings.Fields(comment.Text()), " ")
	if rest, ok := strings.CutPrefix(line, subject); ok {
		line = strings.TrimLeft(rest, ": ")
	}
	first, _, _ := strings.Cut(line, " ")
	if strings.ContainsFunc(first, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return line // the name of a field keeps its letters
	}
	return strings.ToUpper(line[:min(1, len(line))]) + line[min(1, len(line)):]
}

// cell is text in a table of Markdown.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
