# make run    installs what is missing, builds, and serves both APIs through a real web server until interrupted
# make test   installs what is missing and passes every test
# make bench  compares with other ways of doing the same, in one run
# make fuzz   feeds the protocol parsers with mutated input for a bounded time (SECONDS_EACH=60 for each target)
# make tempest  runs OpenStack's own suite, Tempest, with a real Keystone, and compares with tests/peers/tempest.tsv (TESTS="REGEX ...")
# make crash  kills the services at every step of every operation, and compares what is left (STORY="create_volume")
# make check  format, lints, documentation: what must be clean before a commit
.PHONY: run test bench fuzz tempest crash check
WEB ?= nginx

run:
	@WEB=$(WEB) scripts/run

test:
	@scripts/test

bench:
	@scripts/install build nginx apache python volumes
	@benches/run $(BENCH)

fuzz:
	@scripts/fuzz

tempest:
	@scripts/tempest $(TESTS)

crash:
	@scripts/crash $(STORY)

check:
	@scripts/venv lint tests/support/lint-requirements.txt
	"$${CACHE:-target/test-cache}/lint/bin/ruff" check
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet
