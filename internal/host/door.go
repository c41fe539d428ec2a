package host

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/micro/platform/internal/port"
)

// door is a protocol of the service's own and the setting that says where.
type door struct{ protocol, variable string }

// off is what a setting of a door says for nowhere, as nothing does where nothing is the
// default.
const off = "off"

// Door serves a protocol of the service's own at host:port of a setting, and nowhere where
// that is empty or off. Who comes calls the service's handlers through the chain; see
// port.Door. A malformed setting is noted in Settings.
func (h *Host) Door(variable, protocol string, serve func(*port.Visitor)) {
	h.door(variable, port.Exposed, h.conf.port().Insecure, port.Door{Protocol: protocol, Serve: serve})
}

// PlainDoor is Door for a protocol that is spoken without TLS, and by datagrams, too.
// Beyond loopback it takes PLATFORM_INSECURE.
func (h *Host) PlainDoor(variable, protocol string, serve func(*port.Visitor), packet func(*port.Caller, []byte) []byte) {
	h.door(variable, port.ExposedPlain, h.conf.port().InsecurePlain, port.Door{Protocol: protocol, Serve: serve, Packet: packet})
}

func (h *Host) door(variable string, exposed func(string) error, insecure bool, d port.Door) {
	if s := h.Settings.String(variable); s == "" || s == off {
		return
	}
	d.Address = h.Settings.Address(variable)
	if err := exposed(d.Address); err != nil && !insecure {
		h.Settings.Fail(variable, "%w", err)
		return
	}
	h.doors = append(h.doors, door{d.Protocol, variable})
	h.port.AddDoor(d)
}

// explain says what to do about an address that the port could not listen on.
func (h *Host) explain(s Service, err error) error {
	variable := s.prefix() + "_ADDRESS"
	if at, ok := errors.AsType[*port.DoorError](err); ok {
		for _, d := range h.doors {
			if d.protocol == at.Protocol {
				variable = d.variable
			}
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("start %s: %w: does it run already? Else set %s to another", s.Name, err, variable)
	}
	return fmt.Errorf("start %s: %w", s.Name, err)
}

// addresses are those of the doors, by protocol.
func (h *Host) addresses() map[string]string {
	all := map[string]string{}
	for _, d := range h.doors {
		all[d.protocol] = h.port.DoorAddr(d.protocol).String()
	}
	return all
}
