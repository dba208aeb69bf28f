# Everything a contributor runs. The scripts are in .ci.

# See .ci/env.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)

.PHONY: test run bench fuzz image

test: ## sets itself up on Debian with Go (as root), then checks everything
	.ci/test

run: ## a development server: http://localhost:9010, a demo user, a demo SPA
	go run ./cmd/authzd serve --dev

bench: ## benchmarks with allocations
	go test -run='^$$' -bench=. -benchmem ./...

FUZZTIME ?= 1m
fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

image: ## the container image
	docker build --build-arg VERSION="$$(git describe --tags --always --dirty)" --tag authzd .
