module github.com/micro/platform/tests/compat/v4

go 1.26.8

require (
	github.com/micro/platform/tests/compat/scenario v0.0.0
	go-micro.dev/v4 v4.11.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/golang/protobuf v1.5.2 // indirect
	github.com/google/uuid v1.3.0 // indirect
	github.com/miekg/dns v1.1.43 // indirect
	github.com/oxtoacart/bpool v0.0.0-20190530202638-03653db5a59c // indirect
	github.com/patrickmn/go-cache v2.1.0+incompatible // indirect
	github.com/pkg/errors v0.9.1 // indirect
	golang.org/x/net v0.23.0 // indirect
	golang.org/x/sync v0.1.0 // indirect
	golang.org/x/sys v0.18.0 // indirect
	golang.org/x/text v0.14.0 // indirect
)

replace github.com/micro/platform/tests/compat/scenario => ../scenario
