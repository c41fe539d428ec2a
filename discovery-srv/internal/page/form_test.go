package page_test

import (
	"net/http"
	"strings"
	"testing"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestStatus: an operator drains an instance and takes that back, which is what the form
// offers next.
func TestStatus(t *testing.T) {
	s := open(t)
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	s.register(t, "shop", &discoverypb.Instance{Id: "b"})
	form := s.show(t, one("shop", "a"))
	if got := form.fields()["status"]; got != "draining" {
		t.Errorf("the form offers %q", got)
	}
	a := s.submit(t, form, map[string]string{"reason": "a new disk"})
	wantStatus(t, a, http.StatusSeeOther)
	form = s.show(t, a.header.Get("Location"))
	wantHas(t, form, "drainingby an operator: a new diskit says: up")
	if got := form.fields(); got["status"] != "none" || got["reason"] != "" {
		t.Errorf("the form offers %q", got)
	}
	if got := s.instance(t, "shop", "a"); got.GetStatus() != discoverypb.Status_STATUS_DRAINING || got.GetStatusReason() != "a new disk" {
		t.Errorf("it is %v", got)
	}
	wantStatus(t, s.submit(t, form, nil), http.StatusSeeOther)
	if got := s.instance(t, "shop", "a"); got.GetOperatorStatus() != discoverypb.Status_STATUS_UNSPECIFIED || got.GetStatus() != discoverypb.Status_STATUS_UP {
		t.Errorf("it is %v", got)
	}
	if got := s.instance(t, "shop", "b"); got.GetOperatorStatus() != discoverypb.Status_STATUS_UNSPECIFIED {
		t.Errorf("the other one is %v", got)
	}
}

// TestWrongForms: what is wrong is told beside what was typed, and nothing is done.
func TestWrongForms(t *testing.T) {
	s := open(t)
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	long := strings.Repeat("x", 257)
	for _, at := range []string{one("shop", "a"), at("deregister", "shop", "instance", "a")} {
		a := s.submit(t, s.show(t, at), map[string]string{"reason": long})
		wantStatus(t, a, http.StatusBadRequest)
		wantHas(t, a, "reason: 257 bytes long, want at most 256")
		if got := a.fields()["reason"]; got != long {
			t.Errorf("%s: the reason is %q", at, got)
		}
		a = s.submit(t, s.show(t, at), map[string]string{"token": strings.Repeat("A", 43)})
		wantStatus(t, a, http.StatusForbidden)
		wantHas(t, a, "forged_form")
	}
	a := s.submit(t, s.show(t, one("shop", "a")), map[string]string{"status": "gone"})
	wantStatus(t, a, http.StatusBadRequest)
	wantHas(t, a, `status: "gone", want up, draining or out-of-service`)
	if got := s.instance(t, "shop", "a"); got.GetOperatorStatus() != discoverypb.Status_STATUS_UNSPECIFIED {
		t.Errorf("it is %v", got)
	}
}

// TestDeregister: nothing goes before it was asked for twice; what has gone meanwhile is
// not found, and its page has what became of it.
func TestDeregister(t *testing.T) {
	s := open(t)
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	s.register(t, "shop", &discoverypb.Instance{Id: "b"})
	set := s.show(t, one("shop", "a"))
	form := s.show(t, set.links()["Deregister"])
	if got := form.links()["Cancel"]; got != "instance?instance=a&namespace=default&service=shop" {
		t.Errorf("cancel leads to %s", got)
	}
	if s.instance(t, "shop", "a") == nil {
		t.Fatal("to ask has removed it")
	}
	wantStatus(t, s.submit(t, form, map[string]string{"reason": "it hangs"}), http.StatusSeeOther)
	if s.instance(t, "shop", "a") != nil || s.instance(t, "shop", "b") == nil {
		t.Error("it is there, or the other one is not")
	}
	for _, late := range []*answer{s.submit(t, form, nil), s.submit(t, set, nil)} {
		wantStatus(t, late, http.StatusNotFound)
		wantHas(t, late, "no such instance", "discovery.not_found")
	}
	gone := s.get(t, one("shop", "a"))
	wantStatus(t, gone, http.StatusNotFound)
	wantHas(t, gone, "It is not here", "deregistered", "it hangs")
	if len(gone.fields()) > 0 || gone.links()["Deregister"] != "" {
		t.Errorf("something can be done to what is gone: %v, %v", gone.fields(), gone.links())
	}
}
