package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestLoggersEncodeTheirValuesWhenTheyLog(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, Log{Level: "info", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	log.WithName("admission").WithValues("pod", "cart").WithValues("namespace", "shop").Info("said", "more", 1)
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"logger": "admission", "pod": "cart", "namespace": "shop", "msg": "said", "more": 1.0} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if said, err := time.Parse(time.RFC3339, fmt.Sprint(line["ts"])); err != nil || time.Since(said) > time.Hour {
		t.Errorf("ts is %v, which a person does not read: %v", line["ts"], err)
	}
	out.Reset()
	log.WithValues("pod", "cart").V(1).Info("not said")
	if out.Len() > 0 {
		t.Errorf("logged: %s", &out)
	}
}

func BenchmarkSilentLogger(b *testing.B) {
	log, err := NewLogger(&bytes.Buffer{}, Log{Level: "info", Format: "json"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		log.WithValues("controller", "identity", "namespace", "shop", "name", "cart").WithValues("reconcileID", "x").V(1).Info("not said")
	}
}
