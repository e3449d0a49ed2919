# What one does with a clone: Go and PostgreSQL binaries, or Docker, are all it needs. `make` lists the targets.

GO           ?= go
GOTESTSUM    := $(CURDIR)/.tools/gotestsum
GOLANGCI     := $(firstword $(shell command -v golangci-lint) $(wildcard $(shell $(GO) env GOPATH)/bin/golangci-lint))
# The drivers of other databases make up most of goose.
GOOSE_TAGS   := no_azuresql no_clickhouse no_libsql no_mssql no_mysql no_sqlite3 no_vertica no_ydb
TEST_FLAGS   ?= -count=1 -timeout=20m
RUN_TESTS     = $(GOTESTSUM) --format pkgname-and-test-fails --format-hide-empty-pkg -- $(TEST_FLAGS) ./...

.DEFAULT_GOAL := help
.PHONY: help readme demo build test bench lint verify migrations tools clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## Start a server, install, and play joiner, mover and leaver
	@$(GO) run ./cmd/rolewright demo

build: ## Build ./rolewright
	$(GO) build -o rolewright ./cmd/rolewright

# The nested module comes first, so that the last summary is that of the product.
test: tools ## Run all tests; PG_BINDIR=dir picks the server, PG_BINDIRS="dir dir" runs once with each
	@cd tests/containers && $(RUN_TESTS)
ifdef PG_BINDIRS
	@failed=0; for dir in $(PG_BINDIRS); do \
		echo "== $$("$$dir/postgres" --version)"; \
		PG_BINDIR="$$dir" $(RUN_TESTS) || failed=1; \
	done; exit $$failed
else
	@$(RUN_TESTS)
endif

bench: ## Measure against the floors and print the table of the README
	@$(GO) run ./tests/bench

lint: verify ## gofmt, go vet, golangci-lint where it is there, plpgsql_check over every function
	@unformatted="$$(gofmt -l cmd internal migrations tests)"; \
		if [ -n "$$unformatted" ]; then echo "gofmt -w $$unformatted"; exit 1; fi
	$(GO) vet ./...
	cd tests/containers && $(GO) vet ./...
ifdef GOLANGCI
	$(GOLANGCI) run ./...
else
	@echo "golangci-lint is not here: skipped ($(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@latest)"
endif
	$(GO) test -count=1 -v ./tests/sqlcheck

readme: ## Run the sessions of README.md and write what they print into it
	$(GO) test -count=1 ./tests/readme -update

verify: ## Fail when a generated file is stale
	$(GO) run ./internal/bundle/cmd/migrations -check

migrations: ## Generate migrations/ from sql/
	$(GO) run ./internal/bundle/cmd/migrations

tools: .tools/built ## Build the pinned tools that the tests use into .tools

.tools/built: tools/go.mod tools/go.sum
	$(GO) -C tools build -o ../.tools/ -tags '$(GOOSE_TAGS)' tool
	@touch $@

clean: ## Remove what was built
	rm -rf .tools rolewright
