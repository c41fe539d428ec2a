package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/micro/platform/internal/rpcerr"
)

// assets are style and script. Those of others: htmx 2.0.11, htmx-ext-sse 2.2.4, idiomorph
// 0.7.4 (all 0BSD) and uPlot 1.6.32 (MIT); see assets/licenses.
//
//go:embed assets
var assets embed.FS

//go:embed parts/*.html
var parts embed.FS

// serveAsset serves a file of assets. What has its content's hash behind its address a
// browser may keep for as long as it likes.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	Secure(h, "'none'")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hash(body)+`"`)
	if r.URL.Query().Get("v") == hash(body) { // another build may ask for its own
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// asset is the address of a file of assets below a folder.
func asset(dir, name string) (string, error) {
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return "", err
	}
	return path.Join(dir, name) + "?v=" + hash(body), nil
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:6])
}

// parse reads the templates of a site, and the parts that all sites have.
func parse(own fs.FS) (*template.Template, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"asset":  asset,
		"text":   func(s string) template.HTML { return Text(s, 0) },
		"lines":  Lines,
		"plain":  plain,
		"brief":  Text,
		"moment": moment, "clock": clock,
		"sum":   func(a, b float64) float64 { return a + b },
		"size":  func(b []byte) int64 { return int64(len(b)) },
		"bytes": Bytes, "count": Count, "rate": Rate, "percent": Percent, "took": Took, "span": Span, "time": Time,
		"count64": func(n int) string { return Count(int64(n)) },
		"code":    rpcerr.Name,
		"to":      To,
		"empty":   func(title, text, command string) empty { return empty{title, text, command} },
	}).ParseFS(parts, "parts/*.html")
	if err == nil {
		t, err = t.ParseFS(own, "*.html")
	}
	return t, err
}

// empty is a list without anything in it: what that means, and what to do.
type empty struct{ Title, Text, Command string }
