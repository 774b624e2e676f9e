# What there is to do here. `make demo` first; everything else is for working on kubi.
# Needs GNU make and cargo; `make setup` installs the Debian packages (as root or with sudo).

CARGO ?= cargo
KUBI  := target/release/kubi

.PHONY: demo test check bench bless setup build deploy e2e clean

## demo: installs what it needs, builds kubi, a base image and examples/kubicluster, and shows the result
demo:
	./scripts/demo

## setup: installs the Debian packages that building and testing need
setup:
	./scripts/setup

## build: kubi itself, optimised
build:
	$(CARGO) build --release --locked

## deploy: kubi-deploy, optimised; kubi finds it as `kubi deploy`
deploy:
	$(CARGO) build --release --locked --manifest-path deploy/Cargo.toml
	mkdir -p target/release && cp deploy/target/release/kubi-deploy target/release/

## test: everything that must hold
test:
	./scripts/test

## e2e: kubi-deploy against a real libvirtd and emulated nodes, as root; 14 minutes on two idle cores
e2e:
	./scripts/e2e

## check: format, lints, documentation, dependencies, licences
check:
	./scripts/check

## bench: speed and memory, beside what the machine itself can do
bench:
	./scripts/setup build base test bench
	$(CARGO) bench --locked

## bless: writes the expected outputs of the examples again, shows what changed, and fails
bless:
	./scripts/bless

## clean: what is built here; not the cache of base images and artifacts
clean:
	$(CARGO) clean
	rm -rf out examples/*/out
