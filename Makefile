# Everything needs Go, make and git; what else a target needs it installs or builds. Start with `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# go and the cache of built programs need a home, also in a container that has none set.
export HOME := $(or $(HOME),$(shell getent passwd "$$(id -u)" | cut -d: -f6),/tmp)
# A tree that git refuses to look at (another owner) still builds; it only loses the commit in its version.
ifneq ($(shell git status >/dev/null 2>&1 && echo ok),ok)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif

VERSION  ?=
LDFLAGS  := -s -w $(if $(VERSION),-X github.com/warifu/warifu/internal/version.version=$(VERSION))
RACE     ?= -race
FUZZTIME ?= 10s
COUNT    ?= 6
TEST     ?= ./...
IDENTITIES ?= 10000

CONTROLLER_GEN := go tool -modfile=hack/tools/go.mod controller-gen
BENCHSTAT      := go tool -modfile=hack/tools/go.mod benchstat
GOLANGCI_LINT  := go tool -modfile=$(CURDIR)/hack/lint/go.mod golangci-lint

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Static programs. make build, the images and the Dockerfile build them by these lines. The version of a release is all that it
# says of where it comes from: an archive of the source without git's folder gives the same bytes as a clone.
PROGRAMS := warifu-operator warifu-proxy warifu
OUT      ?= bin

.PHONY: build
build: $(PROGRAMS) ## Build the programs into bin/

$(PROGRAMS): SOURCE = ./cmd/$(@:warifu-%=%)
hello: SOURCE = ./hack/cluster/hello

.PHONY: $(PROGRAMS) hello
$(PROGRAMS) hello:
	@mkdir -p '$(OUT)'
	CGO_ENABLED=0 go build -trimpath $(if $(VERSION),-buildvcs=false) -ldflags '$(LDFLAGS)' -o '$(OUT)/$@' $(SOURCE)

.PHONY: images
images: ## Build the images for amd64 and arm64 into bin/images, of a release with VERSION=v0.1.0
	@go run -C hack/images . build -version '$(VERSION)'

.PHONY: generate
generate: ## Regenerate code, CRDs, RBAC, the chart's copies of them and pages of docs/
	$(CONTROLLER_GEN) object paths=./api/...
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=warifu-operator paths='{./controllers/...,./webhooks/...,./internal/app/...,./internal/controlapi,./internal/issuer}' output:rbac:dir=config/rbac
	$(CONTROLLER_GEN) rbac:roleName=warifu-operator-cert-manager paths=./internal/issuer/certmanager output:rbac:dir=config/cert-manager
	go run ./hack/chart
	go run ./hack/docs

.PHONY: verify-generate
verify-generate: ## Check that generated files are up to date, in a copy
	hack/verify-generate.sh

.PHONY: lint
lint: ## Run the linters and check what the data plane depends on
	$(GOLANGCI_LINT) run
	cd hack/images && $(GOLANGCI_LINT) run
	hack/check-imports.sh
	go mod tidy -diff
	go -C hack/images mod tidy -diff

.PHONY: test
test: binaries cert-manager helm compiler clients ## Run all tests, with the race detector, against a real control plane
	KUBEBUILDER_ASSETS="$$(go run ./hack/binaries --print)" WARIFU_REQUIRE_CLUSTER=1 \
		go run ./hack/gotest $(RACE) -timeout 30m $(TEST)
	$(if $(filter ./...,$(TEST)),go run ./hack/gotest -C hack/images $(RACE) ./...)

.PHONY: bench
bench: ## Run all benchmarks and say where they stand against their limits
	go run ./hack/bench
	@$(MAKE) --no-print-directory bench-scale

.PHONY: bench-scale
bench-scale: binaries cert-manager ## Measure IDENTITIES (10000) identities, admission and cert-manager, on a real API server
	KUBEBUILDER_ASSETS="$$(go run ./hack/binaries --print)" go run ./test/bench -identities $(IDENTITIES)

.PHONY: bench-proxy
bench-proxy: ## Measure the sidecar pair beside HAProxy and nginx, all or one load: make bench-proxy LOAD='L4.*0.5'
	@command -v haproxy >/dev/null && command -v wrk >/dev/null && test -e /usr/lib/nginx/modules/ngx_stream_module.so || \
		hack/install.sh haproxy wrk nginx-light libnginx-mod-stream util-linux
	go test -run '^$$' -bench BesidePeers -benchtime 1x -timeout 30m ./test/proxybench -load '$(LOAD)'

.PHONY: bench-compare
bench-compare: ## Compare the benchmarks with those of another commit: make bench-compare BASE=main
	BENCHSTAT="$(BENCHSTAT)" COUNT=$(COUNT) hack/bench-compare.sh "$(BASE)"

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	hack/fuzz.sh $(FUZZTIME)

.PHONY: mutants
mutants: binaries ## Break the source in many small ways, and check that the tests notice each
	KUBEBUILDER_ASSETS="$$(go run ./hack/binaries --print)" WARIFU_REQUIRE_CLUSTER=1 go run ./hack/mutants

# With KUBECONFIG set to another cluster the same targets are about that one; CLUSTER=1 to 9 is a second one beside the usual.
WHICH := $(if $(CLUSTER),-cluster $(CLUSTER))

.PHONY: cluster-up
cluster-up: ## Start a real Kubernetes with NODES (1 to 3) nodes on this machine, as root
	@go run ./hack/cluster up $(WHICH) $(if $(NODES),-nodes $(NODES))

.PHONY: cluster-status
cluster-status: ## Say what of the cluster runs
	@go run ./hack/cluster status $(WHICH)

.PHONY: cluster-load
cluster-load: ## Build Warifu's images and load them into every node, and the image ARCHIVES
	@go run ./hack/cluster load $(WHICH) $(ARCHIVES)

.PHONY: cluster-down
cluster-down: ## End the cluster and leave nothing behind
	@go run ./hack/cluster down $(WHICH)

.PHONY: demo
demo: ## Show Warifu at work on a real cluster, and leave it there to try
	@go run ./hack/demo $(WHICH)

.PHONY: demo-down
demo-down: ## End what make demo left
	@go run ./hack/demo $(WHICH) down

.PHONY: demo-control-plane
demo-control-plane: binaries build ## Show Warifu at work on a control plane alone, which needs neither root nor Linux
	KUBEBUILDER_ASSETS="$$(go run ./hack/binaries --print)" go run ./hack/demo/controlplane

.PHONY: kubeconfig
kubeconfig: ## Print the path of the cluster's kubeconfig: export KUBECONFIG=$$(make -s kubeconfig)
	@go run ./hack/cluster kubeconfig $(WHICH)

.PHONY: e2e
e2e: helm cert-manager build ## Hold Warifu's promises on a real Kubernetes, under load for DURATION (20m): make e2e RUN=TestWalkthrough
	@$(MAKE) --no-print-directory cluster-up NODES=$(or $(NODES),2)
	@go run -C hack/images . pack -out bin/e2e-images "localhost/warifu/cert-manager:e2e=$$(go run ./hack/binaries --cert-manager --print)/certmanager" >/dev/null
	@$(MAKE) --no-print-directory cluster-load ARCHIVES="$$(ls bin/e2e-images/*.tar)"
	@command -v jq >/dev/null && command -v curl >/dev/null || hack/install.sh jq curl
	WARIFU_E2E=1 WARIFU_E2E_LOAD=$(or $(DURATION),20m) KUBECONFIG="$$(go run ./hack/cluster kubeconfig $(WHICH))" KUBEBUILDER_ASSETS="$$(go run ./hack/binaries --print)" \
		$(if $(KUBECONFIG),go test,go run ./hack/gotest) ./test/e2e -count=1 -timeout 40m $(if $(RUN),-run '$(RUN)')

.PHONY: ci
ci: lint verify-generate test ## What CI runs

.PHONY: binaries
binaries: ## Build the Kubernetes control plane for tests (once, cached)
	@go run ./hack/binaries

.PHONY: cert-manager
cert-manager: ## Build cert-manager's own controllers for tests (once, cached)
	@go run ./hack/binaries --cert-manager

.PHONY: helm
helm: ## Build Helm for tests (once, cached)
	@go run ./hack/binaries --helm

.PHONY: node-binaries
node-binaries: ## Build what the nodes of the local cluster run (once, cached)
	@go run ./hack/binaries --node

# The race detector needs a C compiler.
.PHONY: compiler
compiler:
ifneq ($(RACE),)
	@command -v "$$(go env CC)" >/dev/null || hack/install.sh gcc libc6-dev
endif

# Certificates, and what proxies do, are also tried with clients and a server that are not ours.
.PHONY: clients
clients:
	@command -v openssl >/dev/null && command -v curl >/dev/null && command -v nginx >/dev/null || hack/install.sh openssl curl nginx-light

.PHONY: clean
clean: ## Remove what make build made; the cached control plane stays
	rm -rf bin
