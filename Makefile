# Needs Go. The tools that tools/go.mod pins are built when first needed, once for each
# state of that file, outside of this folder.

FUZZTIME ?= 30s
LANGUAGES ?= python typescript java
# A vulnerability database to use instead of the online one: file:///some/where.
GOVULNDB ?= https://vuln.go.dev
TOOLS_BIN ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/micro-platform/tools/$(shell cat tools/go.mod tools/go.sum | cksum | cut -d ' ' -f 1)

# What runs docker-compose.yml: Docker's own command, or the older one.
DOCKER_COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

TOOLS := $(TOOLS_BIN)/installed
SERVICES := $(dir $(wildcard *-srv/main.go))
# The packages with tests that need real servers.
BACKED := $(filter-out ./tests/compose/,$(sort $(dir $(shell grep -rl --include='*_test.go' '/tests/backends"' *-srv internal tests | sed 's,^,./,'))))
# Modules of their own, so that what they need steers nothing of ours.
TEST_MODULES := $(sort $(dir $(shell find tests -name go.mod 2>/dev/null)))
# Which code is generated, and the folders that hold nothing else but contracts.
TEMPLATES := $(wildcard buf.gen.yaml examples/*/buf.gen.yaml tests/*/buf.gen.yaml)
GENERATED := $(shell sed -n 's/^ *out: *//p' $(TEMPLATES) | sort -u)

# The contracts of the conformance suite, which are generated and not committed.
CONFORMANCEPB := tests/conformance/internal/connectrpc/conformance/v1/service.pb.go

.PHONY: help run build test check lint fix generate clients bench pictures fuzz soak up down test-interop test-backends test-compose vuln clean
.PHONY: gofmt vet generated imports tidy

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' Makefile

run: ## Run all services in one process.
	go run ./cmd/platform serve

build: ## Build static binaries into bin/: each service, and all of them as platform.
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags='-s -w' -o bin/ ./cmd/platform $(addprefix ./,$(SERVICES))

up: export VERSION ?= $(shell git describe --tags --always --abbrev=12 --dirty=+dirty 2>/dev/null)
up: ## Build images, run a container of each service, and wait until all are ready.
	$(DOCKER_COMPOSE) up -d --build
	@end=$$(($$(date +%s) + 60)); for c in $$($(DOCKER_COMPOSE) ps -q); do \
		until docker inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}' "$$c" | grep -qx healthy; do \
			[ "$$(date +%s)" -lt "$$end" ] || { echo "not ready after 60 s:"; docker logs --tail 20 "$$c"; exit 1; } >&2; \
			sleep 0.5; \
		done; \
	done
	@$(DOCKER_COMPOSE) ps

down: ## Remove the containers of make up; their data stays (docker-compose down -v removes it, too).
	$(DOCKER_COMPOSE) --profile backends --profile ring down

# The race detector needs a C compiler; without one, Go sets CGO_ENABLED to 0.
test: ## Test on embedded defaults, with the race detector where there is a C compiler.
	@race=-race; \
	if [ "$$(go env CGO_ENABLED)" != 1 ]; then race=; echo "no C compiler: testing without the race detector" >&2; fi; \
	set -x; go test $$race -shuffle=on ./... && go test -C tools ./...

check: gofmt vet lint generated imports tidy ## Check all that needs no running: format, lint, generated code, imports, go.mod.

gofmt:
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt -w is due:"; echo "$$files"; exit 1; } >&2

vet: $(CONFORMANCEPB)
	@set -e; for m in . tools $(TEST_MODULES); do (set -x; go vet -C $$m ./...); done

lint: $(TOOLS) $(CONFORMANCEPB) ## Lint the Go code and the contracts.
	$(TOOLS_BIN)/golangci-lint config verify
	@set -e; for m in . tools $(TEST_MODULES); do (set -x; cd $$m; $(TOOLS_BIN)/golangci-lint run ./...); done
	$(TOOLS_BIN)/buf lint
	$(TOOLS_BIN)/buf format --diff --exit-code

fix: $(TOOLS) ## Mend what the formatters and linters can mend themselves.
	$(TOOLS_BIN)/buf format --write
	gofmt -w .
	$(TOOLS_BIN)/golangci-lint run --fix ./...

generated: $(TOOLS)
	@set -e; new=$$(mktemp -d); trap 'rm -rf "$$new"' EXIT; \
	for t in $(TEMPLATES); do $(TOOLS_BIN)/buf generate --template $$t --output "$$new"; done; \
	for dir in $(GENERATED); do diff -r -x '*.proto' -x proto.go -x proto_test.go $$dir "$$new/$$dir" || { echo "make generate is due" >&2; exit 1; }; done

imports:
	go test -count=1 -run '^TestImport' .

tidy: $(CONFORMANCEPB)
	@set -e; for m in . tools tools/conformance $(TEST_MODULES); do (set -x; go mod -C $$m tidy -diff); done

generate: $(TOOLS) ## Generate the Go code and the OpenAPI documents of the contracts.
	@set -e; for t in $(TEMPLATES); do (set -x; $(TOOLS_BIN)/buf generate --template $$t); done

clients: $(TOOLS) ## Generate clients in other languages into gen/ (LANGUAGES=python: in one).
	PATH=$(TOOLS_BIN):$$PATH tools/clients/generate $(LANGUAGES)

bench: ## Run the benchmarks, each beside the peer it is judged by: also Redis, etcd and memcached, where they are installed.
	go run ./tests/bench

pictures: ## Take the pictures of docs/, with Chromium.
	INTEROP=1 PICTURES=$(CURDIR)/docs go test -count=1 -timeout 5m -run '^TestPictures$$' ./tests/pages/

fuzz: ## Fuzz each target for FUZZTIME (30s).
	@set -e; for target in $$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/func //'); do \
		(set -x; go test -C "$$(dirname "$${target%:*}")" -run '^$$' -fuzz "^$${target#*:}\$$" -fuzztime $(FUZZTIME) .); \
	done

test-interop: $(CONFORMANCEPB) ## Test against what others built: go-micro v1 to v5, the Connect conformance suite, clients in other languages, clients of Redis, dig, Prometheus; the README as a newcomer runs it; a ring whose nodes are killed and cut off; and discovery that is away for a minute, suspended, or not heard from.
	INTEROP=1 go test -count=1 -p 1 -timeout 30m ./tests/compat/... ./tests/dns/... ./tests/languages/... ./tests/openapi/... ./tests/pages/... ./tests/readme/... ./tests/resp/...
	INTEROP=1 go test -C tests/conformance -v -count=1 -timeout 30m .
	go test -C tests/prometheus -count=1 -timeout 10m .
	INTEROP=1 go test -v -count=1 -timeout 10m -run '^TestKilled$$' ./tests/ring/
	@race=-race; [ "$$(go env CGO_ENABLED)" = 1 ] || race=; \
	set -x; INTEROP=1 go test $$race -v -count=1 -timeout 20m ./tests/ring/... && \
	INTEROP=1 AWAY=1m go test $$race -v -count=1 -timeout 10m -parallel 4 -run '^($(LONG))$$' ./tests/discovery/

# What takes too long for make test: they run at once, since they wait more than they work.
LONG := TestAway|TestManyStop|TestSuspended

soak: ROUNDS ?= 100
soak: AWAY ?= 10m
soak: ## Kill, stop, add and take away nodes of a ring under load, ROUNDS times (100); SEED=... repeats a run. Take discovery away for AWAY (10m), under load.
	@race=-race; [ "$$(go env CGO_ENABLED)" = 1 ] || race=; \
	set -x; INTEROP=1 ROUNDS=$(ROUNDS) go test $$race -v -count=1 -timeout 4h -run '^TestRounds$$' ./tests/ring/ && \
	SOAK=1 go test $$race -count=1 -timeout 30m ./kv-srv/internal/store/ring && \
	AWAY=$(AWAY) go test $$race -v -count=1 -timeout 4h -run '^TestAway$$' ./tests/discovery/

test-backends: ## Test every store and registry against real servers, which it installs (on Debian, as root), starts on loopback and removes again.
	tests/backends/backends install
	@race=-race; [ "$$(go env CGO_ENABLED)" = 1 ] || race=; \
	set -x; tests/backends/backends run go test $$race -shuffle=on -count=1 -p 1 -timeout 20m $(BACKED)

test-compose: ## Build the images and try docker-compose.yml, in a Docker engine of its own where none runs (on Debian, as root).
	tests/docker/engine install
	tests/backends/backends install etcd
	tests/docker/engine run env COMPOSE=1 go test -v -count=1 -timeout 20m ./tests/compose/...

vuln: $(TOOLS) ## Look for known vulnerabilities in what the code calls (GOVULNDB=file:///... without the internet).
	@$(TOOLS_BIN)/govulncheck -db $(GOVULNDB) ./... || { \
		status=$$?; [ $$status = 3 ] || echo "no verdict. Where $(GOVULNDB) cannot be reached, GOVULNDB=file:///... names a copy" >&2; exit $$status; }

clean: ## Remove what build and clients made.
	rm -rf bin gen

$(TOOLS):
	cd tools && CGO_ENABLED=0 GOBIN=$(TOOLS_BIN) go install tool
	touch $@

# go mod download first: go list knows the folder of what was downloaded alone.
$(CONFORMANCEPB): go.mod tools/conformance/go.mod tests/conformance/internal/buf.gen.yaml | $(TOOLS)
	rm -rf $(@D)
	go mod -C tools/conformance download connectrpc.com/conformance
	protos=$$(go list -C tools/conformance -m -f '{{.Dir}}/proto' connectrpc.com/conformance) && \
	$(TOOLS_BIN)/buf generate --template tests/conformance/internal/buf.gen.yaml "$$protos" \
		$(addprefix --path "$$protos"/connectrpc/conformance/v1/,config.proto server_compat.proto service.proto)
