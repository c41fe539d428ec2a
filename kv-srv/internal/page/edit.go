package page

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// The fields of an edit, named as those of PutRequest.
const (
	fieldKey      = "key"
	fieldValue    = "value"
	fieldFile     = "file"
	fieldTTL      = "ttl"
	fieldMetadata = "metadata"
	fieldEncoding = "encoding"   // of the value: text, json, hex or file
	fieldVersion  = "if_version" // that the editor has seen; 0: there was no item
	fieldShown    = "ttl_shown"  // what stood in the field ttl
	fieldExpires  = "expires"    // when the item was to end
)

// maxEdit is the largest value that is edited as hexadecimal digits.
const maxEdit = 64 << 10

// editing is an item that is being written.
type editing struct {
	Form   page.Form
	Theirs *shownItem // what somebody else has written meanwhile
	Gone   bool       // somebody else has deleted it meanwhile
}

// edit shows the form of an item, or of a new one where no key is named.
func edit(ctx context.Context, r *page.Request) (page.Content, error) {
	if r.Get(ofKey) == "" {
		return editor(r, editing{Form: form(r, &kvpb.Item{})}), nil
	}
	i, err := get(ctx, r)
	if rpcerr.Code(err) == codes.NotFound {
		i, err = &kvpb.Item{Key: r.Get(ofKey)}, nil
	}
	if err != nil {
		return page.Content{}, err
	}
	return editor(r, editing{Form: form(r, i)}), nil
}

func editor(r *page.Request, e editing) page.Content {
	key := r.Get(ofKey)
	c := page.Content{Title: "New item", Crumbs: way(namespaceOf(r), ""), Data: e}
	if key != "" {
		c.Title, c.Crumbs = "Edit "+key, append(way(namespaceOf(r), key), page.Link{Href: itemAt(r, key), Text: key})
	}
	return c
}

func itemAt(r *page.Request, key string) string {
	return page.To("item", inNamespace, namespaceOf(r), ofKey, key, asForm, r.Get(asForm))
}

// form is that of an item; of a new one where its version is 0.
func form(r *page.Request, i *kvpb.Item) page.Form {
	f := page.Form{Action: r.Self(), Submit: "Save", Cancel: page.To("keys", inNamespace, namespaceOf(r))}
	if r.Get(ofKey) == "" {
		f.Fields = append(f.Fields, page.Field{Name: fieldKey, Label: "Key", Code: true, Required: true, Value: i.GetKey()})
	} else {
		f.Cancel = itemAt(r, r.Get(ofKey))
	}
	ttl, expires := "", ""
	if t := i.GetExpireTime(); t != nil {
		ttl, expires = max(0, time.Until(t.AsTime())).Round(time.Second).String(), t.AsTime().Format(time.RFC3339Nano)
	}
	f.Fields = append(f.Fields, valueFields(r, i.GetValue())...)
	f.Fields = append(f.Fields,
		page.Field{Name: fieldFile, Label: "A file instead", Kind: "file", Help: fileHelp(i.GetValue())},
		page.Field{Name: fieldTTL, Label: "Time to live", Value: ttl, Help: "Such as 90s, 15m, 24h or 7d; empty: it does not end. As it stands, the end stays what it is."},
		page.Field{Name: fieldMetadata, Label: "Metadata", Kind: "area", Rows: 3, Code: true, Value: metadataText(i.GetMetadata()), Help: "A line name=value for each."},
		page.Field{Name: fieldVersion, Kind: "hidden", Value: strconv.FormatUint(i.GetVersion(), 10)},
		page.Field{Name: fieldShown, Kind: "hidden", Value: ttl},
		page.Field{Name: fieldExpires, Kind: "hidden", Value: expires},
	)
	return f
}

func fileHelp(value []byte) string {
	if len(value) <= maxEdit || printable.Text(string(value)) {
		return ""
	}
	return "The value is binary and has " + page.Bytes(int64(len(value))) + ", too much to edit here. Without a file it stays what it is."
}

// valueFields have a value as text, or as hexadecimal digits where asked for or where a
// browser would not send the same text back.
func valueFields(r *page.Request, value []byte) []page.Field {
	encoding := asText
	switch {
	case r.Get(asForm) == "" && forms(value)[0] == asJSON, r.Get(asForm) == asJSON:
		encoding = asJSON
	case r.Get(asForm) != asHex && printable.Text(string(value)):
	case len(value) > maxEdit:
		encoding = asFile
	default:
		encoding = asHex
	}
	f := valueField(encoding)
	switch encoding {
	case asText, asJSON:
		f.Value = string(value)
	case asHex:
		f.Value = spaced(value)
	}
	return []page.Field{f, {Name: fieldEncoding, Kind: "hidden", Value: encoding}}
}

func valueField(encoding string) page.Field {
	f := page.Field{Name: fieldValue, Label: "Value", Kind: "area", Rows: 12, Code: true}
	switch encoding {
	case asHex:
		f.Label, f.Help = "Value, in hexadecimal digits", "Spaces and lines do not matter."
	case asJSON:
		f.Label, f.Help = "Value, in JSON", "What is no JSON is not saved."
	case asFile:
		f.Kind = "hidden"
	}
	return f
}

// spaced is digits, 16 bytes in a line.
func spaced(value []byte) string {
	var b strings.Builder
	for line := range slices.Chunk(value, 16) {
		for i, c := range line {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// save writes what the form has.
func save(ctx context.Context, r *page.Request) (page.Content, error) {
	f := refill(r)
	req, err := putRequest(ctx, r)
	if err == nil {
		_, err = page.Call[kvpb.PutResponse](ctx, r, "KV.Put", req)
	}
	switch {
	case err == nil:
		return page.Content{SeeOther: itemAt(r, req.GetKey())}, nil
	case rpcerr.Code(err) == codes.Aborted || rpcerr.Code(err) == codes.AlreadyExists:
		return conflict(ctx, r, f, req.GetKey())
	case !f.Fail(err):
		return page.Content{}, err
	}
	c := editor(r, editing{Form: f})
	c.Status = rpcerr.HTTP(rpcerr.Code(err))
	return c, nil
}

// refill is the form as it was sent.
func refill(r *page.Request) page.Form {
	f := form(r, &kvpb.Item{})
	for i, field := range f.Fields {
		if field.Name == fieldValue {
			f.Fields[i] = valueField(r.Field(fieldEncoding))
		}
		f.Fields[i].Value = unix(r.Field(field.Name))
	}
	return f
}

// conflict shows what somebody else has written beside what was to be written.
func conflict(ctx context.Context, r *page.Request, f page.Form, key string) (page.Content, error) {
	e := editing{Form: f}
	rsp, err := page.Call[kvpb.GetResponse](ctx, r, "KV.Get", &kvpb.GetRequest{Namespace: namespaceOf(r), Key: key})
	switch {
	case rpcerr.Code(err) == codes.NotFound:
		e.Gone = true
	case err != nil:
		return page.Content{}, err
	default:
		theirs := show(namespaceOf(r), rsp.GetItem(), r.Get(asForm))
		e.Theirs = &theirs
	}
	for i := range e.Form.Fields {
		if e.Form.Fields[i].Name == fieldVersion {
			e.Form.Fields[i].Value = strconv.FormatUint(rsp.GetItem().GetVersion(), 10)
		}
	}
	e.Form.Submit = "Save mine instead"
	c := editor(r, e)
	c.Status = http.StatusConflict
	return c, nil
}

// unix ends lines as everybody but browsers does.
func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// putRequest reads the form.
func putRequest(ctx context.Context, r *page.Request) (*kvpb.PutRequest, error) {
	req := &kvpb.PutRequest{Namespace: namespaceOf(r), Key: r.Get(ofKey)}
	if req.GetKey() == "" {
		req.Key = r.Field(fieldKey)
	}
	version, err := strconv.ParseUint(r.Field(fieldVersion), 10, 64)
	if err != nil {
		return nil, rpcerr.Invalid(fieldVersion, "no version")
	}
	req.IfVersion, req.IfAbsent = version, version == 0
	if req.Value, err = sentValue(ctx, r); err != nil {
		return nil, err
	}
	if req.Ttl, err = sentTTL(r); err != nil {
		return nil, err
	}
	req.Metadata, err = metadataOf(unix(r.Field(fieldMetadata)))
	return req, err
}

// sentValue is the file, or else what stands in the form.
func sentValue(ctx context.Context, r *page.Request) ([]byte, error) {
	file, head, err := r.FormFile(fieldFile)
	switch {
	case err == nil && head.Filename != "":
		defer file.Close()
		return io.ReadAll(file) // as much as a form may have
	case err != nil && !errors.Is(err, http.ErrMissingFile) && !errors.Is(err, http.ErrNotMultipart):
		return nil, rpcerr.Invalid(fieldFile, "cannot be read")
	}
	text := unix(r.Field(fieldValue))
	switch encoding := r.Field(fieldEncoding); encoding {
	case asText:
		return []byte(text), nil
	case asJSON:
		if err := json.Unmarshal([]byte(text), new(any)); err != nil {
			return nil, rpcerr.Invalid(fieldValue, "%v: save it as text if it need not be JSON", err)
		}
		return []byte(text), nil
	case asHex:
		b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, rpcerr.Invalid(fieldValue, "want pairs of hexadecimal digits: %v", err)
		}
		return b, nil
	case asFile: // the version says whether it is still the same
		old, err := get(ctx, r)
		return old.GetValue(), err
	default:
		return nil, rpcerr.Invalid(fieldEncoding, "want text, json, hex or file")
	}
}

// sentTTL is nil for an item that does not end.
func sentTTL(r *page.Request) (*durationpb.Duration, error) {
	text := strings.TrimSpace(r.Field(fieldTTL))
	if t, err := time.Parse(time.RFC3339Nano, r.Field(fieldExpires)); err == nil && text == r.Field(fieldShown) {
		return durationpb.New(max(time.Millisecond, time.Until(t))), nil
	}
	return parseTTL(text)
}

func parseTTL(text string) (*durationpb.Duration, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // see sentTTL
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil {
		return nil, rpcerr.Invalid(fieldTTL, "%q is no time such as 90s, 15m, 24h or 7d", page.Cut(text, 40))
	}
	return durationpb.New(d), nil
}
