package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/warifu/warifu/internal/policy"
)

// problem is what decoding found at one field.
type problem struct {
	field   string
	reason  policy.Reason
	message string
}

// decode fills obj from JSON. It reports false when the object cannot be used; problems with strict are unknown and repeated
// fields, of an object that can.
func decode(raw []byte, obj any, strict bool) ([]problem, bool) {
	if strict {
		if path := nullItem(raw); path != "" {
			return []problem{{path, ReasonWrongType, "the list item is null: remove it, or write what is meant"}}, false
		}
	}
	strictErrs, err := kjson.UnmarshalStrict(raw, obj)
	var problems []problem
	if strict {
		for _, e := range strictErrs {
			problems = append(problems, unknownField(e, reflect.TypeOf(obj)))
		}
	}
	if err == nil {
		return problems, true
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return append(problems, problem{wrong.Field, ReasonWrongType,
			fmt.Sprintf("the value is of type %s where type %s is expected", wrong.Value, typeName(wrong.Type))}), false
	}
	return append(problems, problem{"", ReasonNotReadable, fmt.Sprintf("the object cannot be read: %v", err)}), false
}

// unknownField says what the author may have meant, or which fields there are.
func unknownField(err error, root reflect.Type) problem {
	var fieldErr kjson.FieldError
	if !errors.As(err, &fieldErr) {
		return problem{"", ReasonUnknownField, err.Error()}
	}
	path := fieldErr.FieldPath()
	if strings.HasPrefix(err.Error(), "duplicate") {
		return problem{path, ReasonUnknownField, "the field is given twice: remove one"}
	}
	parent, name := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	known := fieldsAt(root, parent)
	for _, candidate := range known {
		if strings.EqualFold(candidate, name) || distance(candidate, name) <= 2 {
			return problem{path, ReasonUnknownField, fmt.Sprintf("there is no field %s: did you mean %s?", name, candidate)}
		}
	}
	if len(known) == 0 {
		return problem{path, ReasonUnknownField, fmt.Sprintf("there is no field %s: remove it", name)}
	}
	return problem{path, ReasonUnknownField,
		fmt.Sprintf("there is no field %s: remove it, or use one of %s", name, strings.Join(known, ", "))}
}

var index = regexp.MustCompile(`\[\d+\]`)

// fieldsAt is the JSON field names of the struct at a path such as spec.rules[0].from[1].source, sorted.
func fieldsAt(t reflect.Type, path string) []string {
	if path != "" {
		for _, name := range strings.Split(index.ReplaceAllString(path, ""), ".") {
			t = elem(t)
			if t.Kind() != reflect.Struct {
				return nil
			}
			if t = jsonFields(t)[name]; t == nil {
				return nil
			}
		}
	}
	if t = elem(t); t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for name := range jsonFields(t) {
		if name != "status" && name != "managedFields" { // not the author's to write
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// elem is the type behind pointers, slices and maps.
func elem(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

// jsonFields is the fields of a struct by JSON name, those of inlined structs included.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case strings.Contains(options, "inline"):
			maps.Copy(fields, jsonFields(f.Type))
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	return fields
}

func typeName(t reflect.Type) string {
	switch elem(t).Kind() {
	case reflect.Struct:
		if t.Kind() == reflect.Slice {
			return "list of objects"
		}
		return "object"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		if t.Kind() == reflect.Slice {
			return "list of strings"
		}
		return "string"
	default:
		return "number"
	}
}

// distance is the number of letters to change, add or remove to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
