# The few commands a person types. Each sets up what it needs; what is done already is not done again.
CARGO ?= cargo
BIN := target/release

.PHONY: quickstart test lint build setup

quickstart: build
	@$(BIN)/isoflop run studies/quickstart --report report.html

test: build
	$(CARGO) test --release --locked --workspace --exclude isoflop-tests --lib --bins --tests --examples
	$(CARGO) test --release --locked --workspace --exclude isoflop-torch --doc
	$(CARGO) test --release --locked -p isoflop-tests

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --locked --workspace --no-deps --document-private-items

build: setup
	@$(CARGO) build --release --locked --workspace

setup:
	@setup/libtorch.sh
	@setup/postgres.sh
