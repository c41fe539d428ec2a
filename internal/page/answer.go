package page

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/micro/platform/internal/rpcerr"
)

// Fail shows why something at the address of no view did not work.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	s.answer(w, s.request(r), View{}, Content{}, err)
}

func (s *Site) file(w http.ResponseWriter, r *Request, v View) {
	f, err := v.File(r.Context(), r)
	if err != nil {
		s.answer(w, r, v, Content{}, err)
		return
	}
	h := w.Header()
	Secure(h, "'none'")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(f.Body) // who asked may have left
}

// answer writes a page, where to go on, or the page of an error.
func (s *Site) answer(w http.ResponseWriter, r *Request, v View, c Content, err error) {
	if err == nil && c.SeeOther != "" {
		// Not http.Redirect, which makes the address absolute: the console may be in front.
		w.Header().Set("Location", c.SeeOther)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	var body []byte
	if err == nil {
		body, err = s.page(w, r, v.Name, c)
	}
	if err != nil {
		c, body = s.fault(w, r, err)
	}
	h := w.Header()
	Secure(h, "'self'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if c.Status != 0 {
		w.WriteHeader(c.Status)
	}
	_, _ = w.Write(body) //nolint:gosec // a template has escaped it; who asked may have left
}

// Secure sets what keeps a browser from harm: a page has nothing of another origin, and
// script from where scripts names alone.
func Secure(h http.Header, scripts string) {
	h.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'", "script-src " + scripts, "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}, "; "))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// fault is the page of an error.
func (s *Site) fault(w http.ResponseWriter, r *Request, err error) (Content, []byte) {
	s.report(r, err)
	e := known(err)
	c := Content{Title: "That did not work", Status: rpcerr.HTTP(e.Code), Data: e}
	body, err := s.page(w, r, "fault", c)
	if err != nil { // New has tried it
		s.conf.Log.ErrorContext(r.Context(), "page of an error", "error", err)
	}
	return c, body
}

// known returns what to say of an error: nothing of one that was not made for callers.
func known(err error) *rpcerr.Error {
	var own *rpcerr.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return rpcerr.From(err)
	}
	return rpcerr.Fault("page", err)
}
