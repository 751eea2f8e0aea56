# Warifu's images, for people with Docker or Podman; without either: make images.
#
#   docker build --target operator --tag REGISTRY/operator:0.1.0 --build-arg VERSION=v0.1.0 .
#   docker build --target proxy    --tag REGISTRY/proxy:0.1.0    --build-arg VERSION=v0.1.0 .
#   docker build --target cli      --tag REGISTRY/warifu:0.1.0   --build-arg VERSION=v0.1.0 .
#
# For several architectures: docker buildx build --platform linux/amd64,linux/arm64 … It takes Go modules from the network, and
# nothing else.
ARG GO_VERSION=1.26

# Compiling for another architecture needs no emulation.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETARCH
ARG VERSION
RUN GOOS=linux GOARCH=${TARGETARCH} make build OUT=/out VERSION=${VERSION}

FROM scratch AS operator
ARG VERSION
COPY --from=build /out/warifu-operator /warifu-operator
USER 65532:65532
ENTRYPOINT ["/warifu-operator"]
LABEL org.opencontainers.image.description="Identities and policies for Kubernetes workloads" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/warifu/warifu" \
      org.opencontainers.image.version="${VERSION}"

FROM scratch AS proxy
ARG VERSION
COPY --from=build /out/warifu-proxy /warifu-proxy
USER 1774:1774
ENTRYPOINT ["/warifu-proxy"]
LABEL org.opencontainers.image.description="Mutual TLS and authorisation in front of a Kubernetes workload" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/warifu/warifu" \
      org.opencontainers.image.version="${VERSION}"

FROM scratch AS cli
ARG VERSION
COPY --from=build /out/warifu /warifu
USER 65532:65532
ENTRYPOINT ["/warifu"]
LABEL org.opencontainers.image.description="Explains and validates policies for Kubernetes workloads" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/warifu/warifu" \
      org.opencontainers.image.version="${VERSION}"
