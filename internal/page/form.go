package page

import (
	"errors"

	"github.com/micro/platform/internal/rpcerr"
)

// Form is what a person fills in. The template "form" shows it; its parent gives the
// token: {{template "form" (.Form form)}}.
type Form struct {
	Action string // relative; "": the page itself
	Submit string // what the button says
	Danger bool   // it destroys
	Cancel string // where to go instead; "": nowhere
	Fields []Field
	Error  string // of the form as a whole
	Method string // "get" for a form that only asks; "": post
}

// Field is one thing to fill in.
type Field struct {
	Name, Label string
	Value       string
	Help        string // below it
	Error       string // what is wrong with Value
	Kind        string // "", area, select, file, hidden
	Options     []Option
	Required    bool
	Code        bool // is of fixed width
	Rows        int  // of an area
}

// Option is what a field may be.
type Option struct{ Value, Text string }

// Fail puts an error beside the field that is to blame, if the form has it. It returns
// false for an error that was not made for callers: nobody can mend that here.
func (f *Form) Fail(err error) bool {
	var e *rpcerr.Error
	if !errors.As(known(err), &e) || e.Hidden() {
		return false
	}
	for i := range f.Fields {
		if f.Fields[i].Name == e.Field && f.Fields[i].Kind != "hidden" {
			f.Fields[i].Error = e.Message
			return true
		}
	}
	f.Error = e.Message
	return true
}

// tokened is a form with what it carries.
type tokened struct {
	Form

	Token  string
	Inline bool // in one line
}

// Form is f for the template "form".
func (sc *scope) Form(f Form) tokened { return tokened{f, sc.Token, false} }

// Inline is a short f, for the template "form".
func (sc *scope) Inline(f Form) tokened { return tokened{f, sc.Token, true} }
