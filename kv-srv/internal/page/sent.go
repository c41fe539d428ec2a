package page

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// unix ends lines as everybody but browsers does.
func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// putRequest reads the form.
func putRequest(ctx context.Context, r *page.Request, file *upload) (*kvpb.PutRequest, error) {
	req := &kvpb.PutRequest{Namespace: namespaceOf(r), Key: r.Get(ofKey)}
	if req.GetKey() == "" {
		req.Key = r.Field(fieldKey)
	}
	version, err := strconv.ParseUint(r.Field(fieldVersion), 10, 64)
	if err != nil {
		return nil, rpcerr.Invalid(fieldVersion, "no version")
	}
	req.IfVersion, req.IfAbsent = version, version == 0
	if req.Value, err = sentValue(ctx, r, file); err != nil {
		return nil, err
	}
	if req.Ttl, err = sentTTL(r); err != nil {
		return nil, err
	}
	req.Metadata, err = metadataOf(unix(r.Field(fieldMetadata)))
	return req, err
}

// upload is a file that was sent.
type upload struct{ value []byte }

// uploaded returns the file of the form; nil where none was chosen.
func uploaded(r *page.Request) (*upload, error) {
	file, head, err := r.FormFile(fieldFile)
	switch {
	case errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart):
		return nil, nil //nolint:nilnil // no file
	case err != nil:
		return nil, rpcerr.Invalid(fieldFile, "cannot be read")
	}
	defer file.Close()
	if head.Filename == "" {
		return nil, nil //nolint:nilnil // no file
	}
	value, err := io.ReadAll(file) // as much as a form may have
	return &upload{value}, err
}

// sentValue is the file, or else what stands in the form.
func sentValue(ctx context.Context, r *page.Request, file *upload) ([]byte, error) {
	if file != nil {
		return file.value, nil
	}
	text := unix(r.Field(fieldValue))
	switch encoding := r.Field(fieldEncoding); encoding {
	case asText:
		return []byte(text), nil
	case asJSON:
		if err := json.Unmarshal([]byte(text), new(json.RawMessage)); err != nil {
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
	case again:
		return nil, rpcerr.Invalid(fieldFile, "choose it again")
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
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil //nolint:nilnil // see sentTTL
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err = parseDays(days)
	}
	if err != nil {
		return nil, rpcerr.Invalid(fieldTTL, "%q is no time such as 90s, 15m, 24h or 7d", page.Cut(text, 40))
	}
	return durationpb.New(d), nil
}

// parseDays reads a number of days, which must be one that a Duration holds.
func parseDays(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	n, err := strconv.ParseFloat(text, 64)
	if err == nil && !(math.Abs(n) < float64(math.MaxInt64/day)) {
		err = strconv.ErrRange
	}
	if err != nil {
		return 0, err
	}
	return time.Duration(n * float64(day)), nil
}
