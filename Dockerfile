# One file for every image: docker build --build-arg SERVICE=kv-srv .
# SERVICE is a folder *-srv, or platform: all of them and the command.
#
# The image listens beyond its container, so it starts with mutual TLS or with
# PLATFORM_INSECURE=true alone, and says so otherwise.
#
# No step needs a shell, a C compiler or BuildKit.

FROM golang:1.26 AS build
WORKDIR /data
WORKDIR /src
# Where modules come from, if not from where Go has them by default.
ARG GOPROXY
ARG GOFLAGS
ARG GOSUMDB
ARG GONOSUMDB
COPY . .
# What --version says. It comes in by GOFLAGS: RUN without a shell sees no variables.
ARG VERSION=devel
ENV CGO_ENABLED=0 GOFLAGS="${GOFLAGS} '-ldflags=-s -w -X=github.com/micro/platform/internal/buildinfo.version=${VERSION}'"
RUN ["go", "build", "-trimpath", "-buildvcs=false", "-o", "/out/", "./cmd/platform", "./...-srv"]

FROM scratch
# Calls out by TLS, such as those to a backend, trust these; another file: SSL_CERT_FILE.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# A named volume takes its owner from the folder that it covers.
COPY --from=build --chown=65532:65532 /data /data
ARG SERVICE=platform
COPY --from=build /out/${SERVICE} /service
ENV PLATFORM_DATA=/data \
    CONSOLE_ADDRESS=:8080 \
    DISCOVERY_ADDRESS=:8104 \
    KV_ADDRESS=:8106 \
    KV_RING_ADDRESS=:7946
USER 65532:65532
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/service", "health"]
ENTRYPOINT ["/service"]
