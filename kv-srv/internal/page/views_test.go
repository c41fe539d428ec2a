package page_test

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	"github.com/micro/platform/tests/backends"
)

const script = `<script>document.title = "pwned"</script>`

// hostile are keys that try to be something else.
func hostile() []string {
	return []string{
		script, "a\nb\r\n\tc", "nul\x00nul", strings.Repeat("k\U0001F600", 204) + "1234", "user/\u202egnp.exe\u202c/\u0645\u0631\u062d\u0628\u0627",
		"?namespace=other&key=x#y", "a/b//c/", "/", "../../etc/passwd", " ", "%2e%2e%2f", "javascript:alert(1)", "a;b", "a+b%20c", `"quoted'`, "\ufffd", ".",
	}
}

// TestViews: every page answers, with nothing in the store and with everything in it.
func TestViews(t *testing.T) {
	s := open(t, nil)
	every := []string{"", "?sort=-keys", "?sort=none", "keys", "keys?namespace=none", "keys?prefix=none", "edit", item("edit", "none"), "watch", "watch?namespace=x&prefix=y", "hot", "hot?namespace=x", "hot?sort=key", "delete?prefix=none", "delete"}
	check := func() {
		t.Helper()
		for _, at := range every {
			a := s.show(t, at)
			if h := a.all(func(n *htmlNode) bool { return n.Data == "h1" }); len(h) != 1 || inside(h[0]) == "That did not work" || inside(h[0]) == "" {
				t.Errorf("%s: the page says %s", at, a.text())
			}
			if strings.Contains(a.body, script) {
				t.Errorf("%s: script of a key is in the page", at)
			}
		}
	}
	check()
	wantHas(t, s.show(t, ""), "No items yet", "platform kv put greeting hello")
	wantHas(t, s.show(t, "keys?namespace=none"), "No items yet", "platform kv put --namespace none greeting hello")
	for _, key := range hostile() {
		s.put(t, &kvpb.PutRequest{Key: key, Value: []byte(script), Metadata: map[string]string{script: script}, Ttl: durationpb.New(time.Hour)})
		for _, view := range []string{"item", "edit", "ttl", "delete", "watch"} {
			every = append(every, item(view, key))
		}
		every = append(every, item("item", key, "as", "hex"), item("item", key, "as", "json"), "keys?"+url.Values{"prefix": {key}}.Encode(), "delete?"+url.Values{"prefix": {key}}.Encode())
	}
	check()
	wantHas(t, s.show(t, ""), "default", "memory", fmt.Sprint(len(hostile())))
}

func TestWrongAddresses(t *testing.T) {
	s := open(t, nil)
	for at, tt := range map[string]struct {
		status int
		says   string
	}{
		item("item", "none"):         {404, "not found"},
		item("ttl", "none"):          {404, "not found"},
		item("delete", "none"):       {404, "not found"},
		item("value", "none"):        {404, "not found"},
		"item":                       {400, "key: 0 bytes long"},
		"value":                      {400, "key: 0 bytes long"},
		"item?key=%ff":               {400, "key: not UTF-8"},
		"keys?namespace=A%3Cb%3E":    {400, "namespace: has 'A', want 1 to 63 of a-z, 0-9 and -"},
		"keys?after=nonsense":        {400, "page_token"},
		"keys?prefix=%zz":            {400, "the address of the page cannot be read"},
		"delete?prefix=a;b":          {400, "the address of the page cannot be read"},
		"hot?namespace=A":            {400, "namespace: has 'A'"},
		"?after=nonsense":            {400, "page_token"},
		item("edit", "\xff"):         {400, "key: not UTF-8"},
		"delete?namespace=%E2%80%AE": {400, "namespace: has"},
	} {
		a := s.get(t, at)
		wantStatus(t, a, tt.status)
		wantHas(t, a, tt.says)
	}
}

// TestHostileKeys: each key is reached by the links from the list, and what is done there
// is done to it.
func TestHostileKeys(t *testing.T) {
	s := open(t, nil)
	for _, key := range hostile() {
		s.text(t, key, "value of "+key)
	}
	var links []string
	for _, n := range s.show(t, "keys").all(func(n *htmlNode) bool { return n.Data == "a" && strings.HasPrefix(attribute(n, "href"), "item?") }) {
		links = append(links, attribute(n, "href"))
	}
	if len(links) != len(hostile()) {
		t.Fatalf("%d links to %d keys: %q", len(links), len(hostile()), links)
	}
	keys := hostile()
	slices.Sort(keys)
	for i, key := range keys {
		a := s.show(t, links[i])
		all := a.links()
		for _, crumb := range a.all(func(n *htmlNode) bool { return n.Data == "a" && strings.HasPrefix(attribute(n, "href"), "keys?") }) {
			s.show(t, attribute(crumb, "href"))
		}
		if got := s.show(t, all["Download"]).body; got != "value of "+key {
			t.Errorf("%q: downloads %q", key, got)
		}
		wantStatus(t, s.submit(t, s.show(t, all["Edit"]), map[string]string{"metadata": "edited=yes"}), http.StatusSeeOther)
		wantStatus(t, s.submit(t, s.show(t, all["Time to live"]), map[string]string{"ttl": "1h"}), http.StatusSeeOther)
		if got := s.item(t, key); got.GetMetadata()["edited"] != "yes" || got.GetExpireTime() == nil || string(got.GetValue()) != "value of "+key {
			t.Errorf("%q: got %v", key, got)
		}
		s.show(t, all["Watch"])
		wantStatus(t, s.submit(t, s.show(t, all["Delete"]), nil), http.StatusSeeOther)
		s.wantNone(t, key)
	}
	wantHas(t, s.show(t, "keys"), "No items yet")
}

// TestPaging: the links of the list lead through all keys once.
func TestPaging(t *testing.T) {
	s := open(t, nil)
	const total = 250
	for i := range total {
		s.text(t, fmt.Sprintf("p/%03d", i), "v")
	}
	s.text(t, "other", "v")
	var got []string
	at := "keys?prefix=p%2F"
	for at != "" {
		a := s.show(t, at)
		for _, n := range a.all(func(n *htmlNode) bool { return attribute(n, "class") == "clip" }) {
			got = append(got, inside(n))
		}
		if first := a.links()["First"]; len(got) > 100 && first != "keys?prefix=p%2F" {
			t.Errorf("%s: the first page is %q", at, first)
		}
		at = a.links()["Next"]
	}
	if len(got) != total || !slices.IsSorted(got) || len(slices.Compact(got)) != total {
		t.Errorf("got %d keys: %q", len(got), got)
	}
}

func TestItem(t *testing.T) {
	s := open(t, nil)
	s.put(t, &kvpb.PutRequest{Key: "config/limits", Value: []byte(`{"a":[1,"<b>"]}`), Metadata: map[string]string{"b": "2", "a": "\u202e1"}, Ttl: durationpb.New(49 * time.Hour)})
	a := s.show(t, item("item", "config/limits"))
	wantHas(t, a, "{\n  \"a\": [\n    1,\n    \"<b>\"\n  ]\n}", "15 B", "in 2 d 0 h", `\u202e1`)
	links := a.links()
	wantHas(t, s.show(t, links["text"]), `{"a":[1,"<b>"]}`)
	wantHas(t, s.show(t, links["hex"]), "00000000  7b 22 61 22 3a 5b 31 2c  22 3c 62 3e 22 5d 7d")
	if got, want := links["config/"], "keys?namespace=default&prefix=config%2F"; got != want {
		t.Errorf("the way back is %s, want %s", got, want)
	}
	s.text(t, "large", strings.Repeat("0123456789abcdef", 1<<16))
	wantHas(t, s.show(t, item("item", "large")), "The first 64 KiB of 1 MiB. The download has all.")
	wantHas(t, s.show(t, item("item", "large", "as", "hex")), "The first 16 KiB of 1 MiB. The download has all.")
	s.text(t, "empty", "")
	wantHas(t, s.show(t, item("item", "empty")), "The value is empty.", "never")
	s.text(t, "binary", "\x00\xff\u202e")
	wantHas(t, s.show(t, item("item", "binary", "as", "text")), `\u0000\xff\u202e`)
}

// TestDownload: a value is a file, whatever it and its key look like.
func TestDownload(t *testing.T) {
	s := open(t, nil)
	for key, want := range map[string]string{
		"page.html": "page.html", "a/b/c.svg": "c.svg", "ends/": "value", "..": "value", "a/...": "value", `x"; filename="evil.exe`: "x_; filename=_evil.exe",
		"line\r\nSet-Cookie: a=b": "line__Set-Cookie: a=b", "\u202egnp.exe": "_gnp.exe", `..\..\x.bat`: "_.._x.bat", "ä": "_", strings.Repeat("x", 1000): strings.Repeat("x", 100), "nul\x00": "nul_", ".bashrc": "bashrc", "100%25": "100%25",
	} {
		value := "<script>\x00\xff\r\n"
		s.text(t, key, value)
		a := s.show(t, item("value", key))
		kind, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || params["filename"] != want || len(params) != 1 {
			t.Errorf("%q: got %q, %v", key, a.header.Get("Content-Disposition"), err)
		}
		if a.body != value || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			a.header.Get("Set-Cookie") != "" || !strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'none'") {
			t.Errorf("%q: got %q %v", key, a.body, a.header)
		}
	}
}

func TestDeleteItem(t *testing.T) {
	s := open(t, nil)
	s.text(t, "k", "v")
	form := s.show(t, item("delete", "k"))
	s.text(t, "k", "changed")
	a := s.submit(t, form, nil)
	wantStatus(t, a, http.StatusConflict)
	wantHas(t, a, "Somebody has changed the item since you asked to delete it. Nothing was deleted.")
	s.wantValue(t, "k", "changed")
	again := s.submit(t, a, nil)
	wantStatus(t, again, http.StatusSeeOther)
	s.wantNone(t, "k")
	wantStatus(t, s.submit(t, a, nil), http.StatusNotFound)
	s.text(t, "k", "v")
	wantStatus(t, s.submit(t, s.show(t, item("delete", "k")), map[string]string{"if_version": "0"}), http.StatusBadRequest)
	s.wantValue(t, "k", "v")
}

// TestDeletePrefix: it takes the name of the namespace, typed, and takes no more than said.
func TestDeletePrefix(t *testing.T) {
	s := open(t, nil)
	for i := range 15 {
		s.text(t, fmt.Sprintf("a/%02d", i), "v")
	}
	s.text(t, "b", "v")
	form := s.show(t, "delete?prefix=a%2F")
	wantHas(t, form, "Delete what begins with a/", "These items, and more,", "a/09")
	if strings.Contains(form.text(), "a/10") {
		t.Error("more than ten are shown")
	}
	for _, typed := range []string{"", "Default", "default ", "a/", "other"} {
		a := s.submit(t, form, map[string]string{"confirm": typed})
		wantStatus(t, a, http.StatusBadRequest)
		wantHas(t, a, fmt.Sprintf("%q is not default: nothing was deleted", typed))
	}
	s.item(t, "a/00")
	wantStatus(t, s.submit(t, form, map[string]string{"confirm": "default"}), http.StatusSeeOther)
	s.wantNone(t, "a/00")
	s.wantNone(t, "a/14")
	s.item(t, "b")
	s.put(t, &kvpb.PutRequest{Namespace: "other", Key: "b", Value: []byte("v")})
	form = s.show(t, "delete?namespace=other")
	wantHas(t, form, "Delete everything in other")
	wantStatus(t, s.submit(t, form, map[string]string{"confirm": "default"}), http.StatusBadRequest)
	wantStatus(t, s.submit(t, form, map[string]string{"confirm": "other"}), http.StatusSeeOther)
	s.item(t, "b")
	wantHas(t, s.show(t, "keys?namespace=other"), "No items yet")
}

// TestForged: nothing is done for a form that is not of this site's pages.
func TestForged(t *testing.T) {
	s := open(t, nil)
	s.text(t, "k", "v")
	for _, view := range []string{item("edit", "k"), item("delete", "k"), item("ttl", "k")} {
		a := s.submit(t, s.show(t, view), map[string]string{"token": strings.Repeat("A", 43)})
		wantStatus(t, a, http.StatusForbidden)
		wantHas(t, a, "forged_form")
	}
	s.wantValue(t, "k", "v")
}

// TestUnlisted: a backend that cannot list says so, and single items can be opened all the
// same. It need not be there for that.
func TestUnlisted(t *testing.T) {
	unlisted(t, open(t, map[string]string{"KV_STORE": "memcached://127.0.0.1:1", "KV_STORES": "billing=memory:"}))
}

func unlisted(t *testing.T, s *site) {
	t.Helper()
	a := s.show(t, "")
	wantHas(t, a, "billing", "memcached cannot list its namespaces")
	if strings.Contains(a.text(), "No items yet") {
		t.Error("the page says that there is nothing")
	}
	a = s.show(t, "keys?namespace=default")
	wantHas(t, a, "The keys cannot be listed", "memcached cannot list")
	links := a.links()
	if links["New item"] == "" || links["Watch"] != "watch" || links["Delete everything"] != "" {
		t.Errorf("the page leads to %v", links)
	}
	fields := a.fields()
	if _, ok := fields["key"]; !ok || a.action() != "item" || fields["namespace"] != "default" {
		t.Errorf("no form to open a key: %s with %v", a.action(), fields)
	}
	wantHas(t, s.show(t, "keys?namespace=billing"), "No items yet")
}

func TestMemcached(t *testing.T) {
	s := open(t, map[string]string{"KV_STORE": backends.URL(t, "memcached").String(), "KV_STORES": "billing=memory:"})
	unlisted(t, s)
	form := s.show(t, s.show(t, "keys").links()["New item"])
	key := fmt.Sprintf("page-%d", time.Now().UnixNano())
	a := s.submit(t, form, map[string]string{"key": key, "value": "v", "ttl": "1h"})
	wantStatus(t, a, http.StatusSeeOther)
	wantHas(t, s.show(t, a.header.Get("Location")), key, "v")
	form = s.show(t, item("edit", key))
	s.text(t, key, "theirs")
	wantStatus(t, s.submit(t, form, map[string]string{"value": "mine"}), http.StatusConflict)
	f := s.follow(t, item("item", key))
	f.await(t, "theirs")
	s.text(t, key, "newer")
	f.await(t, "newer")
	w := s.follow(t, "watch")
	w.await(t, "memcached cannot watch")
	w.await(t, "event: ended")
	wantStatus(t, s.submit(t, s.show(t, item("delete", key)), nil), http.StatusSeeOther)
	s.wantNone(t, key)
}
