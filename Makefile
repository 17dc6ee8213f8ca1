# The few commands a person types. Each sets up what it needs; what is done already is not done again.
CARGO ?= cargo
# Tests of properties try the same cases every time, so that a test that passed passes again; `make fuzz` is for searching.
export PROPTEST_RNG_SEED ?= 17
BIN := target/release

.PHONY: quickstart desk results test torture bench gpu fuzz lint build setup snapshots

quickstart: build
	@$(BIN)/isoflop run studies/quickstart --report report.html

# The paper's studies at desk scale, one after the other into one home: hours of one core, less whatever is kept. Then the table of what they tell.
PAPER := $(patsubst %/study.yaml,%,$(shell grep -l ../parts/ studies/*/study.yaml))
desk: build
	@for study in $(PAPER); do $(BIN)/isoflop run $$study --keep-going || exit; done
	@$(MAKE) --no-print-directory results

# studies/README.md down to its mark is written by hand; what is below comes from the ledger.
results: build
	@sed '/<!-- results -->/q' studies/README.md > studies/README.md.new
	@echo >> studies/README.md.new
	@$(BIN)/isoflop claims --markdown $(PAPER) >> studies/README.md.new
	@mv studies/README.md.new studies/README.md

# All of it with `--workspace`, here and below: packages picked one by one would have other features, and all that they rest on would be compiled again.
test: build
	@setup/chromium.sh
	@$(CARGO) build --release --locked --workspace --example pretend
	$(CARGO) test --release --locked --workspace --doc
	$(CARGO) test --release --locked --workspace --lib --bins --tests --examples

# Two hundred kills, each with a run to the end. TORTURE_SEED=n for other points.
torture: build
	$(CARGO) test --release --locked --workspace --test e2e two_hundred_points -- --ignored --nocapture

bench: build
	@$(CARGO) build --release --locked --workspace --example step --example flow --example speed
	@$(BIN)/isoflop-bench
	@tasks/native/examples/speed/beside.sh

# All that needs a CUDA device: operators, training, ranks and the other bodies against the processor, then steps against PyTorch's.
gpu:
	@setup/gpu.sh

# Ten minutes for each target; needs cargo-fuzz (`cargo install cargo-fuzz`). A case it finds belongs under engine/plan/tests/fixtures.
SECONDS ?= 600
fuzz:
	@mkdir -p fuzz/corpus/plan fuzz/corpus/template fuzz/corpus/import
	@cp tasks/native/golden/pictures/*.[jpgwb]* fuzz/corpus/import/
	@cp engine/plan/tests/fixtures/*.yaml fuzz/corpus/plan/
	@for study in studies/*/study.yaml; do cp $$study fuzz/corpus/plan/study-$$(basename $$(dirname $$study)).yaml; done
	@grep -rhoP '\{\{\K.*?(?=\}\})' studies engine/plan/tests/fixtures | split -l 1 - fuzz/corpus/template/seed-
	@RUSTC_BOOTSTRAP=1 $(CARGO) run --release --manifest-path fuzz/Cargo.toml --bin seeds -- fuzz/corpus
	@cp tasks/native/golden/pictures/*.parquet fuzz/corpus/parquet/
	@for target in plan template import parquet lines; do RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir fuzz -s none $$target -- \
	  -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 -max_len=16384 || exit 1; done

# What is made from the source and committed: the schema of studies, and the keys of each study's tasks.
snapshots: setup
	$(CARGO) build --release --locked --workspace
	ISOFLOP_UPDATE=1 $(CARGO) test --release --locked --workspace --test e2e committed

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --locked --workspace --no-deps --document-private-items

build: setup
	@$(CARGO) build --release --locked --workspace

setup:
	@setup/libtorch.sh
	@setup/postgres.sh
