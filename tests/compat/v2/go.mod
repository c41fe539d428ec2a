module github.com/micro/platform/tests/compat/v2

go 1.26.8

require (
	github.com/micro/go-micro/v2 v2.9.1
	github.com/micro/platform/tests/compat/scenario v0.0.0
	google.golang.org/protobuf v1.36.12
)

// The grpc that go-micro v2 was built on, and the bridge to the messages of today.
require (
	github.com/golang/protobuf v1.5.4 // indirect
	google.golang.org/grpc v1.26.0 // indirect
)

require (
	github.com/google/uuid v1.1.1 // indirect
	github.com/miekg/dns v1.1.27 // indirect
	github.com/oxtoacart/bpool v0.0.0-20190530202638-03653db5a59c // indirect
	github.com/patrickmn/go-cache v2.1.0+incompatible // indirect
	golang.org/x/crypto v0.0.0-20200510223506-06a226fb4e37 // indirect
	golang.org/x/net v0.0.0-20200520182314-0ba52f642ac2 // indirect
	golang.org/x/sys v0.0.0-20200523222454-059865788121 // indirect
	golang.org/x/text v0.3.2 // indirect
	google.golang.org/genproto v0.0.0-20191216164720-4f79533eabd1 // indirect
)

replace github.com/micro/platform/tests/compat/scenario => ../scenario
