package http

import (
	"regexp"
	"strings"
	"testing"
)

func TestFieldKinds(t *testing.T) {
	tests := map[string]kind{
		"Accept":                   plain,
		"X-Forwarded-For":          plain,
		"Forwarded":                plain,
		"X-Forwarded-Client-Cer":   plain,
		"X-Forwarded-Client-Certs": plain,
		"CONNECTION":               fieldConnection,
		"content-LENGTH":           fieldContentLength,
		"Transfer-Encoding":        fieldTransferEncoding,
		"x-request-id":             fieldRequestID,
		"te":                       fieldTE,
		"Keep-Alive":               dropped,
		"Proxy-Connection":         dropped,
		"HTTP2-Settings":           dropped,
		"Content_Length":           dropped,
		"x_y":                      dropped,
		"_":                        dropped,
		"X-Forwarded-Client-Cert":  dropped,
		"x-forwarded-client-cert":  dropped,
		"X_Forwarded_Client_Cert":  dropped,
		"x.forwarded-client.cert":  dropped,
		"X-Forwarded~Client|Cert":  dropped,
		"XaForwarded-Client-Cert":  plain,
	}
	for name, want := range tests {
		if got := newField(name, "").kind; got != want {
			t.Errorf("%s is of kind %d, want %d", name, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := newRequestID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q is not a new UUID", id)
		}
		seen[id] = true
	}
	s := &Session{}
	for name, ids := range map[string][]string{
		"none":             nil,
		"empty":            {""},
		"two":              {"a", "b"},
		"too long":         {strings.Repeat("a", maxRequestID+1)},
		"would fake a log": {`a" b`},
	} {
		var x exchange
		var fields []field
		for _, id := range ids {
			fields = append(fields, newField("x-request-id", id))
		}
		s.clean(&x, fields)
		if len(x.fields) != 1 || !form.MatchString(x.id) || x.fields[0].value != x.id {
			t.Errorf("%s: fields %+v, ID %q", name, x.fields, x.id)
		}
	}
}
