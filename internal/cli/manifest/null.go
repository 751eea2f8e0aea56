package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// nullItem is the path of the first list item that is null, such as spec.rules[0], or empty. The API server refuses one.
// Go would read it as an empty item, and an empty rule matches everything.
func nullItem(raw []byte) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return "" // decode says why
	}
	return nullItemIn("", value)
}

func nullItemIn(path string, value any) string {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			at := name
			if path != "" {
				at = path + "." + name
			}
			if found := nullItemIn(at, value[name]); found != "" {
				return found
			}
		}
	case []any:
		for i, item := range value {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item == nil {
				return at
			}
			if found := nullItemIn(at, item); found != "" {
				return found
			}
		}
	}
	return ""
}
