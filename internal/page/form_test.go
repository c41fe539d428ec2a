package page_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
)

// sender is a site with a form, and what it was sent.
type sender struct {
	h    http.Handler
	sent []string
}

func newSender(t *testing.T) *sender {
	t.Helper()
	s := &sender{}
	v := static("show", page.Form{Submit: "Go", Fields: []page.Field{{Name: "text", Label: "Text"}}})
	v.Send = func(_ context.Context, r *page.Request) (page.Content, error) {
		s.sent = append(s.sent, r.Field("text"))
		return page.Content{SeeOther: "show?done=1"}, nil
	}
	s.h = serve(t, page.Config{Views: []page.View{v}}, map[string]string{"show": `{{template "form" (.Form .Data)}}`})
	return s
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	https      = "https://example.com"
)

// parts is a form as browsers send it.
func parts(t *testing.T, fields url.Values) (body io.Reader, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range fields {
		for _, value := range values {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType()
}

func tokenOf(cookie string) string { return cookie[strings.IndexByte(cookie, '=')+1:] }

func TestForm(t *testing.T) {
	s := newSender(t)
	rsp, body := get(t, s.h, "/show", nil)
	cookie := rsp.Cookies()[0]
	wantHas(t, body, `<form method="post" enctype="multipart/form-data" action="">`, `<input type="hidden" name="token" value="`+cookie.Value+`">`,
		`<label for="f-text">Text</label>`, `<input id="f-text" name="text" value="">`, `<button>Go</button>`)
	fields := url.Values{"token": {cookie.Value}, "text": {"a\r\nb"}}
	multi, contentType := parts(t, fields)
	for name, tt := range map[string]struct {
		body   io.Reader
		header map[string]string
	}{
		"a browser":          {multi, map[string]string{"Content-Type": contentType, "Sec-Fetch-Site": "same-origin", "Origin": "http://example.com"}},
		"an old browser":     {strings.NewReader(fields.Encode()), map[string]string{"Content-Type": urlencoded, "Origin": "http://example.com"}},
		"of its own accord":  {strings.NewReader(fields.Encode()), map[string]string{"Content-Type": urlencoded, "Sec-Fetch-Site": "none"}},
		"no browser at all":  {strings.NewReader(fields.Encode()), map[string]string{"Content-Type": urlencoded}},
		"and other cookies":  {strings.NewReader(fields.Encode()), map[string]string{"Content-Type": urlencoded, "Cookie": "a=b; " + cookie.Name + "=" + cookie.Value + "; c=d"}},
		"a second cookie":    {strings.NewReader(fields.Encode()), map[string]string{"Content-Type": urlencoded, "Cookie": cookie.Name + "=" + cookie.Value + "; " + cookie.Name + "=x"}},
		"with a charset too": {strings.NewReader(fields.Encode()), map[string]string{"Content-Type": urlencoded + "; charset=utf-8"}},
	} {
		s.sent = nil
		if tt.header["Cookie"] == "" {
			tt.header["Cookie"] = cookie.Name + "=" + cookie.Value
		}
		rsp, _ := ask(t, s.h, http.MethodPost, "http://example.com/show", tt.body, tt.header)
		if rsp.StatusCode != http.StatusSeeOther || len(s.sent) != 1 || s.sent[0] != "a\r\nb" {
			t.Errorf("%s: got %s, sent %q", name, rsp.Status, s.sent)
		}
		wantHeader(t, rsp.Header, map[string]string{"Location": "show?done=1", "Set-Cookie": ""})
	}
}

func TestFormRefused(t *testing.T) {
	s := newSender(t)
	cookie, other := cookieOf(t, s.h), cookieOf(t, s.h)
	if cookie == other {
		t.Fatal("two browsers get one token")
	}
	right := url.Values{"token": {tokenOf(cookie)}, "text": {"x"}}.Encode()
	large, contentType := parts(t, url.Values{"token": {tokenOf(cookie)}, "text": {strings.Repeat("x", 4<<20)}})
	const forged, wrong = "forged_form", "invalid_argument"
	for name, tt := range map[string]struct {
		body   io.Reader
		header map[string]string
		reason string
	}{
		"no token":            {strings.NewReader("text=x"), nil, forged},
		"an empty token":      {strings.NewReader("text=x&token="), nil, forged},
		"an empty pair":       {strings.NewReader("text=x&token="), map[string]string{"Cookie": "platform_form="}, forged},
		"a pair made up":      {strings.NewReader("text=x&token=abc"), map[string]string{"Cookie": "platform_form=abc"}, forged},
		"a wrong token":       {strings.NewReader("text=x&token=" + tokenOf(other)), nil, forged},
		"no cookie":           {strings.NewReader(right), map[string]string{"Cookie": "a=b"}, forged},
		"another's cookie":    {strings.NewReader(right), map[string]string{"Cookie": other}, forged},
		"another site":        {strings.NewReader(right), map[string]string{"Sec-Fetch-Site": "cross-site"}, forged},
		"another port":        {strings.NewReader(right), map[string]string{"Sec-Fetch-Site": "same-site"}, forged},
		"a foreign origin":    {strings.NewReader(right), map[string]string{"Origin": "http://evil.example"}, forged},
		"another port's page": {strings.NewReader(right), map[string]string{"Origin": "http://example.com:8081"}, forged},
		"an opaque origin":    {strings.NewReader(right), map[string]string{"Origin": "null"}, forged},
		"no form":             {strings.NewReader(right), map[string]string{"Content-Type": "application/json"}, forged},
		"plain text":          {strings.NewReader(right), map[string]string{"Content-Type": "text/plain"}, forged},
		"no type":             {strings.NewReader(right), map[string]string{"Content-Type": ""}, forged},
		"no parts":            {strings.NewReader("--x"), map[string]string{"Content-Type": "multipart/form-data"}, wrong},
		"broken parts":        {strings.NewReader("--x\r\nnothing"), map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, wrong},
		"broken escapes":      {strings.NewReader(right + "&text=%zz"), nil, wrong},
		"too large":           {large, map[string]string{"Content-Type": contentType}, wrong},
		"too large, old":      {strings.NewReader(right + strings.Repeat("x", 4<<20)), nil, wrong},
		"many parts":          {strings.NewReader(right + strings.Repeat("&a=b", 1_000_000)), nil, wrong},
	} {
		t.Run(name, func(t *testing.T) {
			s.sent = nil
			header := map[string]string{"Cookie": cookie, "Content-Type": urlencoded}
			maps.Copy(header, tt.header)
			rsp, body := ask(t, s.h, http.MethodPost, "http://example.com/show", tt.body, header)
			status := map[string]int{forged: http.StatusForbidden, wrong: http.StatusBadRequest}[tt.reason]
			if rsp.StatusCode != status || len(s.sent) > 0 {
				t.Errorf("got %s, want %d; done %q", rsp.Status, status, s.sent)
			}
			wantHas(t, body, "<code>"+tt.reason+"</code>")
			wantNot(t, body, "internal error")
		})
	}
	rsp, _ := get(t, s.h, "/show?token="+tokenOf(cookie)+"&text=x", map[string]string{"Cookie": cookie})
	if len(s.sent) > 0 {
		t.Errorf("GET does what a form asks for: %s", rsp.Status)
	}
	rsp, _ = ask(t, s.h, http.MethodPost, "http://example.com/show?"+right, strings.NewReader("a=b"), map[string]string{"Cookie": cookie, "Content-Type": urlencoded})
	if len(s.sent) > 0 || rsp.StatusCode != http.StatusForbidden {
		t.Errorf("a token in the address counts: %s", rsp.Status)
	}
}

func TestCookie(t *testing.T) {
	h := newSender(t).h
	for at, secure := range map[string]bool{"http://example.com/show": false, https + "/show": true} {
		rsp, _ := get(t, h, at, nil)
		all := rsp.Cookies()
		if len(all) != 1 || all[0].Secure != secure || !all[0].HttpOnly || all[0].SameSite != http.SameSiteLaxMode || all[0].Path != "/" || all[0].Domain != "" || all[0].MaxAge != 0 || len(all[0].Value) != 43 {
			t.Errorf("%s: got %v", at, all)
		}
		rsp, body := get(t, h, at, map[string]string{"Cookie": "platform_form=" + all[0].Value})
		if len(rsp.Cookies()) != 0 || !strings.Contains(body, `value="`+all[0].Value+`"`) {
			t.Errorf("%s: a browser with a cookie gets another: %v", at, rsp.Cookies())
		}
		for _, hostile := range []string{"short", strings.Repeat("A", 44), `"><script>`, strings.Repeat("A", 42) + "="} {
			rsp, body := get(t, h, at, map[string]string{"Cookie": "platform_form=" + hostile})
			if len(rsp.Cookies()) != 1 {
				t.Errorf("%s: %q is taken for a token", at, hostile)
			}
			wantNot(t, body, hostile)
		}
	}
}

// TestNarrow: each feature behind the console has a token of its own, which is no help in
// making that of another.
func TestNarrow(t *testing.T) {
	s := newSender(t)
	cookie := cookieOf(t, s.h)
	narrow := func(feature string, cookies ...string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		for _, c := range cookies {
			r.Header.Add("Cookie", c)
		}
		page.Narrow(r, feature)
		return strings.Join(r.Header.Values("Cookie"), "|")
	}
	kv, log := narrow("kv", "session=s3cret; "+cookie+"; other=s3cret", "more=s3cret"), narrow("log", cookie)
	for _, one := range []string{kv, log} {
		if strings.Contains(one, "s3cret") || strings.Contains(one, tokenOf(cookie)) || !strings.HasPrefix(one, "platform_form=") || strings.ContainsAny(one, ";|") {
			t.Errorf("a feature gets %q of %q", one, cookie)
		}
	}
	if kv == log || kv != narrow("kv", cookie) || narrow("kv", kv) == kv {
		t.Errorf("kv gets %q, log %q", kv, log)
	}
	for _, none := range []string{"", "session=s3cret", "platform_form=short", "platform_form="} {
		if got := narrow("kv", none); got != "" {
			t.Errorf("of %q a feature gets %q", none, got)
		}
	}
	for _, tt := range []struct {
		cookie, token string
		want          int
	}{{kv, kv, http.StatusSeeOther}, {kv, log, http.StatusForbidden}, {log, kv, http.StatusForbidden}, {kv, cookie, http.StatusForbidden}} {
		form := url.Values{"token": {tokenOf(tt.token)}}.Encode()
		rsp, _ := ask(t, s.h, http.MethodPost, "/show", strings.NewReader(form), map[string]string{"Cookie": tt.cookie, "Content-Type": urlencoded})
		if rsp.StatusCode != tt.want {
			t.Errorf("cookie %s, token %s: got %s, want %d", tt.cookie, tt.token, rsp.Status, tt.want)
		}
	}
}

func TestToken(t *testing.T) {
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "a=b")
	page.Token(w, r)
	set := w.Result().Cookies()
	have, err := r.Cookie("platform_form")
	if err != nil || len(set) != 1 || have.Value != set[0].Value {
		t.Fatalf("the browser gets %v, the request has %v, %v", set, have, err)
	}
	again := httptest.NewRecorder()
	page.Token(again, r)
	if len(again.Result().Cookies()) != 0 || len(r.CookiesNamed("platform_form")) != 1 {
		t.Errorf("the browser has one and gets %v", again.Result().Cookies())
	}
}

func TestFormFail(t *testing.T) {
	fresh := func() page.Form {
		return page.Form{Fields: []page.Field{{Name: "ttl", Label: "TTL", Help: "such as 5m"}, {Name: "version", Kind: "hidden"}}}
	}
	for name, tt := range map[string]struct {
		err         error
		ok          bool
		form, field string
	}{
		"a field":        {rpcerr.Invalid("ttl", "too long"), true, "", "ttl: too long"},
		"a hidden field": {rpcerr.Invalid("version", "none"), true, "version: none", ""},
		"another field":  {rpcerr.Invalid("key", "empty"), true, "key: empty", ""},
		"no field":       {rpcerr.New(codes.ResourceExhausted, "kv.full", "full"), true, "full", ""},
		"the deadline":   {context.DeadlineExceeded, true, "the deadline has passed", ""},
		"a fault":        {rpcerr.Fault("kv.broken", errors.New("s3cret")), false, "", ""},
		"a plain error":  {errors.New("s3cret"), false, "", ""},
	} {
		f := fresh()
		if ok := f.Fail(tt.err); ok != tt.ok || f.Error != tt.form || f.Fields[0].Error != tt.field || f.Fields[1].Error != "" {
			t.Errorf("%s: got %t, %+v", name, ok, f)
		}
	}
	f := fresh()
	f.Fail(rpcerr.Invalid("ttl", "has <b>"))
	h := serve(t, page.Config{Views: []page.View{static("show", f)}}, map[string]string{"show": `{{template "form" (.Form .Data)}}`})
	_, body := get(t, h, "/show", nil)
	wantHas(t, body, `<div class="field wrong">`, `aria-invalid="true" aria-describedby="e-ttl h-ttl"`, `<p class="error" id="e-ttl">ttl: has &lt;b&gt;</p>`, `<p class="help" id="h-ttl">such as 5m</p>`)
}

// TestFields: what a person has typed comes back as it was, whatever it is.
func TestFields(t *testing.T) {
	const hostile = "\n</textarea>\"><script>x</script>&amp;"
	f := page.Form{Method: "get", Action: "else", Submit: "Go", Danger: true, Cancel: "javascript:alert(1)", Fields: []page.Field{
		{Name: "line", Value: hostile, Required: true, Code: true}, {Name: "area", Kind: "area", Value: hostile}, {Name: "none", Kind: "hidden", Value: hostile},
		{Name: "file", Kind: "file"}, {Name: "of", Kind: "select", Value: "b", Options: []page.Option{{Value: "a", Text: "A"}, {Value: "b", Text: "<B>"}}},
	}}
	h := serve(t, page.Config{Views: []page.View{static("show", f)}}, map[string]string{"show": `{{template "form" (.Inline .Data)}}`})
	rsp, body := get(t, h, "/show", nil)
	const escaped = "\n&lt;/textarea&gt;&#34;&gt;&lt;script&gt;x&lt;/script&gt;&amp;amp;"
	wantHas(t, body, `<form class="inline" method="get" action="else">`, `name="line" value="`+escaped+`" required class="code"`,
		`<textarea id="f-area" name="area" rows="4">`+"\n"+escaped+`</textarea>`, `<input type="hidden" name="none" value="`+escaped+`">`,
		`<input id="f-file" name="file" type="file">`, `<option value="b" selected>&lt;B&gt;</option>`, `<option value="a">A</option>`,
		`<button class="danger">Go</button>`, `<a href="#ZgotmplZ">Cancel</a>`)
	wantNot(t, body, "<script>x", `name="token"`, rsp.Cookies()[0].Value)
}
