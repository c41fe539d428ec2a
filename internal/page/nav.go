package page

import (
	"net/http"
	"strings"
)

// nav is the console's own navigation.
func (s *Site) nav(r *Request, up string) []Link {
	all := []Link{{up + "./", home, true}}
	for _, l := range s.conf.Nav(r.Request) {
		all = append(all, Link{up + l.Href, l.Text, l.Current})
	}
	return all
}

// NavHeader is how the console tells a site which features there are, by their names with
// spaces between them: the site is then below the console's own pages.
const NavHeader = "Platform-Nav"

// FeatureHeader is how the console tells a site which feature it takes it for: an address
// can be registered for others, and what may be done with those be done here.
const FeatureHeader = "Platform-Feature"

// readNav returns the navigation of the console, or nil without one.
func readNav(h http.Header, feature string) []Link {
	names := strings.Fields(h.Get(NavHeader))
	if len(names) == 0 || len(names) > MaxNav {
		return nil
	}
	var all []Link
	for _, name := range names {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return nil
		}
		all = append(all, Link{"../" + name + "/", name, name == feature})
	}
	return all
}

// MaxNav is how many features a site takes from NavHeader.
const MaxNav = 100

// home is what the console's own pages are called among the features.
const home = "services"
