// Package proto has the OpenAPI documents of the contracts below it.
package proto

import (
	"embed"
	"strings"
)

//go:embed micro/*/*/openapi.json
var documents embed.FS

// Document returns the OpenAPI document that describes a service, "micro.kv.v1.KV", and
// the others of its proto package.
func Document(service string) ([]byte, bool) {
	dot := strings.LastIndexByte(service, '.')
	if dot < 0 {
		return nil, false
	}
	data, err := documents.ReadFile(strings.ReplaceAll(service[:dot], ".", "/") + "/openapi.json")
	return data, err == nil
}
