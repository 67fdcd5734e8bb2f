# make build    bin/mulligan                      make demo    build it and show the main job
# make check    lint and the tests without servers make test   everything, on real servers
GO       ?= go
FUZZTIME ?= 3000x
SHELL    := bash
.SHELLFLAGS := -eo pipefail -c
.PHONY: build demo test test-atlas install-test-servers check lint cover fuzz bench faults soak
stamp   := $(shell git describe --tags --always --dirty 2>/dev/null)
fast    := ./schema ./journal ./store/... ./config ./internal/child ./internal/lock ./engine ./snapshot ./pipeline ./migration ./internal/layers ./internal/testreport
report   = $(GO) run ./internal/testreport

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.stamp=$(stamp)' -o bin/mulligan ./cmd/mulligan

demo: build
	bin/mulligan demo

test: install-test-servers
	$(GO) test -timeout=30m -json ./... | $(report)

test-atlas: install-test-servers
	$(GO) test -count=1 -tags atlas ./migration/atlas

install-test-servers:
	scripts/install-test-servers

check: lint
	$(GO) test -json $(fast) | $(report)

lint:
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path '*/node_modules/*')); [ -z "$$bad" ] || { echo "not gofmt-ed: $$bad"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags atlas ./migration/atlas
	$(GO) tool -modfile=tools/go.mod staticcheck ./...

cover: install-test-servers
	$(GO) test -coverpkg=./... -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out | tail -n 1

fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r p; do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do $(GO) test -run=NONE -fuzz="^$$f$$" -fuzztime=$(FUZZTIME) $$p </dev/null; done; done

bench: install-test-servers
	$(GO) test -run=NONE -bench=. -timeout=60m ./internal/bench

# TRIALS of a killed mulligan, and everything else that can break; SEED makes a failure again (docs/faults.md)
faults: install-test-servers
	MULLIGAN_FAULTS_TRIALS=$(or $(TRIALS),1040) MULLIGAN_FAULTS_SEED=$(or $(SEED),1) $(GO) test -count=1 -timeout=60m -skip='^TestSoak$$' -v ./internal/faults

soak: install-test-servers
	MULLIGAN_SOAK_TIME=$(or $(TIME),10m) MULLIGAN_FAULTS_SEED=$(or $(SEED),1) $(GO) test -count=1 -timeout=0 -parallel=4 -run='^TestSoak' -v ./internal/faults
