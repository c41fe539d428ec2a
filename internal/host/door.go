package host

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/micro/platform/internal/port"
)

// door is a protocol of the service's own and the setting that says where.
type door struct{ protocol, variable string }

// Door serves a protocol of the service's own at host:port of a setting, and nothing where
// that is empty. Who comes calls the service's handlers through the chain; see port.Door. A
// malformed setting is noted in Settings.
func (h *Host) Door(variable, protocol string, serve func(*port.Visitor)) {
	if h.Settings.String(variable) == "" {
		return
	}
	address := h.Settings.Address(variable)
	if err := port.Exposed(address); err != nil && !h.conf.port().Insecure {
		h.Settings.Fail(variable, "%w", err)
		return
	}
	h.doors = append(h.doors, door{protocol, variable})
	h.port.AddDoor(port.Door{Protocol: protocol, Address: address, Serve: serve})
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
