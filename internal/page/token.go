package page

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// A form of another page must not be taken for one of ours. Browsers say where a form
// comes from (Sec-Fetch-Site); besides, each form carries what a cookie has, which other
// origins cannot read. Browsers do not tell the ports of one host apart for cookies: the
// first of the two does.
const (
	cookieName = "platform_form"
	tokenField = "token"
)

// maxForm bounds what a form sends: the largest value there is, as hexadecimal text.
const maxForm = 4 << 20

// token returns what forms carry, and makes it where the browser has none.
func token(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(cookieName); err == nil && wellFormed(c.Value) {
		return c.Value
	}
	value := base64.RawURLEncoding.EncodeToString(random())
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where there is TLS
		Name: cookieName, Value: value, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
	return value
}

func random() []byte {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // never fails
	return b
}

func wellFormed(value string) bool {
	b, err := base64.RawURLEncoding.DecodeString(value)
	return err == nil && len(b) == sha256.Size
}

// genuine reads the form of a page of this site, and refuses any other.
func (s *Site) genuine(w http.ResponseWriter, r *Request) error {
	if err := s.foreign.Check(r.Request); err != nil {
		return forged("the form is of a page of another origin")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm() // ParseMultipartForm keeps an error of it to itself
	if err == nil {
		err = r.ParseMultipartForm(maxForm) //nolint:gosec // bounded above
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return rpcerr.Invalid("form", "more than %d MiB", maxForm>>20)
	case err != nil && !errors.Is(err, http.ErrNotMultipart):
		return rpcerr.Invalid("form", "cannot be read")
	}
	c, err := r.Cookie(cookieName)
	if err != nil || !wellFormed(c.Value) || subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.Field(tokenField))) != 1 {
		return forged("the form was not made for this browser: load its page again, or call the service instead")
	}
	return nil
}

func forged(why string) error { return rpcerr.New(codes.PermissionDenied, "forged_form", "%s", why) }

// Narrow leaves of the cookies that a browser has sent the one that forms are checked by,
// made over for one feature: who serves that cannot make forms of another.
func Narrow(r *http.Request, feature string) {
	c, err := r.Cookie(cookieName)
	r.Header.Del("Cookie")
	if err != nil || !wellFormed(c.Value) {
		return
	}
	mac := hmac.New(sha256.New, []byte(c.Value))
	_, _ = mac.Write([]byte(feature))                                                                      // never fails
	r.AddCookie(&http.Cookie{Name: cookieName, Value: base64.RawURLEncoding.EncodeToString(mac.Sum(nil))}) //nolint:gosec // of a request
}

// Token makes sure that the browser has the cookie which Narrow makes over, and that r
// has it, too.
func Token(w http.ResponseWriter, r *http.Request) {
	value := token(w, r)
	if c, err := r.Cookie(cookieName); err != nil || c.Value != value {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: value}) //nolint:gosec // of a request
	}
}
