package page

import (
	"context"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

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
	fieldEncoding = "encoding"   // of the value: text, json, hex, file or again
	fieldVersion  = "if_version" // that the editor has seen; 0: there was no item
	fieldShown    = "ttl_shown"  // what stood in the field ttl
	fieldExpires  = "expires"    // when the item was to end
)

// again is the encoding of a value that was sent as a file, and that a form cannot hold.
const again = "again"

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
	encoding := editedAs(i.GetValue(), r.Get(asForm))
	f.Fields = append(f.Fields, valueField(encoding, i.GetValue()),
		page.Field{Name: fieldEncoding, Kind: "hidden", Value: encoding},
		fileField(encoding),
		page.Field{Name: fieldTTL, Label: "Time to live", Value: ttl, Help: "Such as 90s, 15m, 24h or 7d; empty: it does not end. As it stands, the end stays what it is."},
		page.Field{Name: fieldMetadata, Label: "Metadata", Kind: "area", Rows: 3, Code: true, Value: metadataText(i.GetMetadata()), Help: "A line name=value for each."},
		page.Field{Name: fieldVersion, Kind: "hidden", Value: strconv.FormatUint(i.GetVersion(), 10)},
		page.Field{Name: fieldShown, Kind: "hidden", Value: ttl},
		page.Field{Name: fieldExpires, Kind: "hidden", Value: expires},
	)
	return f
}

// editedAs returns how a value is edited: as what a browser sends back as it was, and
// among such as what was asked for.
func editedAs(value []byte, wish string) string {
	text, small := printable.Text(string(value)), len(value) <= maxEdit
	switch {
	case text && wish == asHex && small:
		return asHex
	case text && wish != asText && forms(value)[0] == asJSON:
		return asJSON
	case text:
		return asText
	case small:
		return asHex
	}
	return asFile
}

func valueField(encoding string, value []byte) page.Field {
	f := page.Field{Name: fieldValue, Label: "Value", Kind: "area", Rows: 12, Code: true}
	switch encoding {
	case asHex:
		f.Label, f.Help, f.Value = "Value, in hexadecimal digits", "Spaces and lines do not matter.", spaced(value)
	case asJSON:
		f.Label, f.Help, f.Value = "Value, in JSON", "What is no JSON is not saved.", string(value)
	case asFile, again:
		f.Kind = "hidden"
	default:
		f.Value = string(value)
	}
	return f
}

func fileField(encoding string) page.Field {
	f := page.Field{Name: fieldFile, Label: "A file instead", Kind: "file"}
	switch encoding {
	case asFile:
		f.Help = "The value is binary, and too large to edit here. Without a file it stays what it is."
	case again:
		f.Label, f.Required, f.Help = "A file", true, "Choose it again: a browser does not keep what it has sent."
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
	file, err := uploaded(r)
	if err != nil {
		return page.Content{}, err
	}
	f := refill(r, file)
	req, err := putRequest(ctx, r, file)
	if err == nil {
		_, err = page.Call[kvpb.PutResponse](ctx, r, "KV.Put", req)
	}
	switch rpcerr.Code(err) {
	case codes.OK:
		return page.Content{SeeOther: itemAt(r, req.GetKey())}, nil
	case codes.Aborted, codes.AlreadyExists:
		return conflict(ctx, r, f, req.GetKey())
	default:
		return refused(r, f, err)
	}
}

// refused shows the form again, and what is wrong with it.
func refused(r *page.Request, f page.Form, err error) (page.Content, error) {
	if !f.Fail(err) {
		return page.Content{}, err
	}
	c := editor(r, editing{Form: f})
	c.Status = rpcerr.HTTP(rpcerr.Code(err))
	return c, nil
}

// refill is the form as it was sent, with what its file had, which a browser would not
// send again.
func refill(r *page.Request, file *upload) page.Form {
	encoding := r.Field(fieldEncoding)
	if file != nil {
		if encoding = editedAs(file.value, asText); encoding == asFile {
			encoding = again
		}
	}
	f := form(r, &kvpb.Item{})
	for i, field := range f.Fields {
		switch field.Name {
		case fieldFile:
			f.Fields[i] = fileField(encoding)
		case fieldEncoding:
			f.Fields[i].Value = encoding
		case fieldValue:
			f.Fields[i] = valueField(encoding, nil)
			f.Fields[i].Value = unix(r.Field(fieldValue))
			if file != nil {
				f.Fields[i] = valueField(encoding, file.value)
			}
		default:
			f.Fields[i].Value = unix(r.Field(field.Name))
		}
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
		return refused(r, f, err)
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
