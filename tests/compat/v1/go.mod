module github.com/micro/platform/tests/compat/v1

go 1.26.8

require (
	github.com/micro/go-micro v1.18.0
	github.com/micro/platform/tests/compat/scenario v0.0.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/go-log/log v0.1.0 // indirect
	github.com/golang/protobuf v1.5.0 // indirect
	github.com/google/uuid v1.1.1 // indirect
	github.com/micro/mdns v0.3.0 // indirect
	github.com/miekg/dns v1.1.22 // indirect
	golang.org/x/crypto v0.0.0-20191108234033-bd318be0434a // indirect
	golang.org/x/net v0.0.0-20191109021931-daa7c04131f5 // indirect
	golang.org/x/sys v0.0.0-20190924154521-2837fb4f24fe // indirect
	golang.org/x/text v0.3.2 // indirect
)

// Gone from the internet. go-micro v1.18 requires it and imports nothing of it.
replace github.com/micro/protoc-gen-micro => ./stub

replace github.com/micro/platform/tests/compat/scenario => ../scenario
