// Package apidocs tells callers of HTTP/JSON what a port serves: an OpenAPI document of
// its services, and a page of it for people.
package apidocs

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Handlers returns what to serve at which patterns of http.ServeMux: the documents of
// services, by their full names. document finds that of a service. One without is not
// told of, and without any there is nothing to serve.
func Handlers(services []string, document func(service string) ([]byte, bool)) (map[string]http.Handler, error) {
	var all []spec
	for _, name := range slices.Sorted(slices.Values(services)) {
		text, ok := document(name)
		if !ok {
			continue
		}
		s, err := readSpec(text, name)
		if err != nil {
			return nil, fmt.Errorf("read the OpenAPI document of %s: %w", name, err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return map[string]http.Handler{}, nil
	}
	s := merge(all)
	text, err := s.text()
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	p, err := newPage(s)
	if err == nil {
		err = layout.Execute(io.Discard, p)
	}
	if err != nil {
		return nil, fmt.Errorf("make a page of the OpenAPI document: %w", err)
	}
	return map[string]http.Handler{
		"GET /openapi.json": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(w, r, "application/json", "default-src 'none'; frame-ancestors 'none'", text)
		}),
		"GET /docs": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := p
			p.Base = base(r)
			var b bytes.Buffer
			_ = layout.Execute(&b, p) // as above
			answer(w, r, "text/html; charset=utf-8", policy(), b.Bytes())
		}),
	}, nil
}

// answer lets callers keep the body for as long as it is the same.
func answer(w http.ResponseWriter, r *http.Request, contentType, policy string, body []byte) {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // ask whether it is the same
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// policy lets the page have its own style sheet, and nothing else.
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return strings.Join([]string{
		"default-src 'none'", "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'", "img-src data:",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; ")
}
