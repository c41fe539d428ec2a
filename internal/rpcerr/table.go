package rpcerr

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// table is the one place that pairs gRPC's codes with their names and HTTP statuses,
// those of the Connect protocol (https://connectrpc.com/docs/protocol#error-codes).
var table = [...]struct { //nolint:gochecknoglobals // a constant: Go has none of this kind
	name string
	http int
}{
	codes.OK:                 {"ok", http.StatusOK},
	codes.Canceled:           {"canceled", 499},
	codes.Unknown:            {"unknown", http.StatusInternalServerError},
	codes.InvalidArgument:    {"invalid_argument", http.StatusBadRequest},
	codes.DeadlineExceeded:   {"deadline_exceeded", http.StatusGatewayTimeout},
	codes.NotFound:           {"not_found", http.StatusNotFound},
	codes.AlreadyExists:      {"already_exists", http.StatusConflict},
	codes.PermissionDenied:   {"permission_denied", http.StatusForbidden},
	codes.ResourceExhausted:  {"resource_exhausted", http.StatusTooManyRequests},
	codes.FailedPrecondition: {"failed_precondition", http.StatusBadRequest},
	codes.Aborted:            {"aborted", http.StatusConflict},
	codes.OutOfRange:         {"out_of_range", http.StatusBadRequest},
	codes.Unimplemented:      {"unimplemented", http.StatusNotImplemented},
	codes.Internal:           {"internal", http.StatusInternalServerError},
	codes.Unavailable:        {"unavailable", http.StatusServiceUnavailable},
	codes.DataLoss:           {"data_loss", http.StatusInternalServerError},
	codes.Unauthenticated:    {"unauthenticated", http.StatusUnauthorized},
}

// Name returns the name of c on the wire: "not_found".
func Name(c codes.Code) string {
	if int(c) < len(table) {
		return table[c].name
	}
	return table[codes.Unknown].name
}

// HTTP returns the status of c in HTTP.
func HTTP(c codes.Code) int {
	if int(c) < len(table) {
		return table[c].http
	}
	return table[codes.Unknown].http
}

// Answered tells whether a call that has ended with c got an answer, if only that
// something is not there, is there, or has moved; or its caller has left. All others were
// refused, or have failed.
func Answered(c codes.Code) bool {
	switch c {
	case codes.OK, codes.Canceled, codes.NotFound, codes.AlreadyExists, codes.Aborted:
		return true
	}
	return false
}

// ByName finds a code by its name, and returns Unknown for what is none.
func ByName(name string) (codes.Code, bool) {
	for c, row := range table {
		if row.name == name {
			return codes.Code(c), true
		}
	}
	return codes.Unknown, false
}

// FromHTTP returns the code that an HTTP status means, where several share it the one
// that old go-micro services mean.
func FromHTTP(status int) codes.Code {
	switch status {
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestTimeout:
		return codes.DeadlineExceeded
	case http.StatusMethodNotAllowed:
		return codes.Unimplemented
	case http.StatusInternalServerError:
		return codes.Internal
	case http.StatusBadRequest:
		return codes.InvalidArgument
	}
	for c, row := range table {
		if row.http == status {
			return codes.Code(c)
		}
	}
	return codes.Unknown
}
