# Targets for developers. Each target prints what it builds and how long that takes.

# In CI every run starts from a new clone, so compiled code is kept in the user's cache.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/docspace-backup-operator/target
endif
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo up test churn upgrade fuzz faults stable mutants soak e2e bench lint crds manifests schema image image-test release deny

## A demo with a Kubernetes API, a simulated portal and the operator: under a minute once built. With KUBECONFIG=FILE it
## uses that cluster, in a namespace of its own that goes at the end.
demo up: operator-and-demo
	@$(play)

## The demo, kept running until Ctrl-C.
up: keep_running = --keep-running

# A cluster is used only if it is named here, never the one of the environment.
demo = $(TARGET)/debug/demo --operator $(TARGET)/debug/docspace-backup-operator $(keep_running)
ifeq ($(origin KUBECONFIG),command line)
play = tests/demo/beside "$(KUBECONFIG)" $(demo)
else
play = DOCSPACE_TEST_CONTROLLERS=none $(demo)
endif

.PHONY: operator-and-demo
operator-and-demo:
	@$(call building,debug,2)
	@cargo build --quiet --package docspace-backup-operator --package demo

## All checks and tests: formatting, lints, unit, contract, chart and integration tests, against a real Kubernetes API.
test: lint control-plane helm promtool
	@# Without the database of vulnerabilities it says so, and the tests go on.
	@deploy/deny || [ $$? = 3 ]
	@# Most tests wait most of the time, so many run at once.
	@RUST_TEST_THREADS=12 cargo test --workspace --lib --bins --tests
	@tests/release/run
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target minute-of-soak part-of-churn

# What `make soak` does for an hour.
.PHONY: minute-of-soak
minute-of-soak:
	@DOCSPACE_TEST_CONTROLLERS=none cargo run --quiet --package soak -- --operator $(TARGET)/debug/docspace-backup-operator \
	  --objects 60 --seconds 60 --folder $(TARGET)/soak/minute

## The integration tests with two operators, while the leader is stopped or killed repeatedly: about 8 minutes.
churn: control-plane helm
	@cargo test --test integration -- --ignored --nocapture replicas::the_whole

# The random third of it that `make test` runs.
.PHONY: part-of-churn
part-of-churn: control-plane helm
	@cargo test --test integration -- --ignored --nocapture replicas::a_random_part

## The operator of an earlier commit and this one take over objects and the Lease from each other: 2 minutes, and 4 for the
## first build. With RECORD=1 it writes the objects in tests/integration/upgrades anew.
upgrade: control-plane
	@earlier=$$(tests/programs/earlier-operator/build) && \
	DOCSPACE_EARLIER_OPERATOR="$$earlier" $(if $(RECORD),DOCSPACE_RECORD_UPGRADES=1) \
	  cargo test --quiet --test integration -- --ignored --nocapture upgrades::

## Every request to Kubernetes and every call of a portal with every fault, late and lost views, kills, and random pairs of
## faults: about 20 minutes. DOCSPACE_FAULTS_SEED repeats the pairs.
faults: control-plane
	@ulimit -n $$(ulimit -Hn) && cargo test --quiet --test faults -- --ignored --nocapture --test-threads=1

## Mutated inputs of strangers for SECONDS=60 each, in an optimised build with tight budgets of memory and time.
fuzz:
	@DOCSPACE_FUZZ_SECONDS=$(or $(SECONDS),60) cargo test --quiet --release --test fuzz -- --nocapture

## Changes N=300 viable places of the rules, each on its own, drawn with SEED, and fails if the tests without a cluster
## notice fewer than 95 % of them: about 90 minutes.
mutants:
	@N=$(N) SEED=$(SEED) tests/mutants/run

## Stories of several objects and two portals for SECONDS=600, in an optimised build: whatever happens, everything
## settles and then rests.
stable:
	@DOCSPACE_STABLE_SECONDS=$(or $(SECONDS),600) cargo test --quiet --profile bench --test stable -- --nocapture

## The benchmark: every number that docs/performance.md promises, with 1,000 and 10,000 objects: about 30 minutes; with
## one size, such as N=300, less. It measures the image's program.
bench:
	@program=$$(deploy/image/program) && \
	ulimit -n $$(ulimit -Hn) && \
	DOCSPACE_TEST_CONTROLLERS=none cargo run --quiet --profile bench --package bench -- --operator "$$program" \
	  $(if $(N),--objects $(N)) --json $(TARGET)/bench/$(or $(N),all).json

## The operator with N=1000 objects for MINUTES=60 while portals fail, keys are rotated, objects change and the leader is
## ended every minute: docs/reliability.md. It writes a report and a plot. SEED repeats what happens when.
soak:
	@program=$$(deploy/image/program) && \
	ulimit -n $$(ulimit -Hn) && \
	DOCSPACE_TEST_CONTROLLERS=none cargo run --quiet --profile bench --package soak -- --operator "$$program" \
	  --objects $(or $(N),1000) --seconds $$(( $(or $(MINUTES),60) * 60 )) --folder $(TARGET)/soak $(if $(SEED),--seed $(SEED))

lint:
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@tests/dependencies
	@cargo test --quiet --test imports

## Regenerates the CRD after a change of src/api.
crds:
	@cargo run --quiet -- crd > crds/docspacebackupschedules.yaml
	@cp crds/docspacebackupschedules.yaml deploy/helm/docspace-backup-operator/files/
	@$(MAKE) --no-print-directory manifests

## Takes Kubernetes' types of pods into values.schema.json, for the values of the chart that refer to them.
schema: control-plane helm
	@DOCSPACE_WRITE_SCHEMA=1 cargo test --quiet --test chart -- --exact types::the_types_of_pods_are_those_of_kubernetes

## Builds the container image and its SBOM into target/image, for ARCH=amd64 or arm64 (default: this machine's).
image:
	@archive=$$(deploy/image/build $(ARCH)) && echo "$$archive" && deploy/image/sbom "$$archive"

## Tests the program inside the image: as the image's user, with nothing else around it.
image-test: control-plane
	@archive=$$(deploy/image/build) && tests/image/run "$$archive"

## Publishes this commit below REGISTRY=HOST/PATH: image, charts, install.yaml, SBOMs and provenance; deploy/release says
## which other variables there are.
release: export REGISTRY := $(REGISTRY)
release: export VERSION := $(VERSION)
release: export ARCHS := $(ARCHS)
release: export IMAGES := $(IMAGES)
release:
	@deploy/release

## Tests the image and the chart on a real node, in separate Linux namespaces; needs root, containerd and runc.
e2e: can-run-a-node control-plane helm node
	@archive=$$(deploy/image/build) && deploy/image/sbom "$$archive" && \
	cargo test --quiet --test e2e --no-run && \
	DOCSPACE_IMAGE=$$(realpath "$$archive") CARGO_NET_OFFLINE=true tests/programs/node/within cargo test --test e2e -- --ignored --nocapture

## Checks licences, sources and bans of all dependencies, and known vulnerabilities; fails without their database.
deny:
	@deploy/deny

## Renders deploy/install.yaml after a change of the chart.
manifests: helm
	@deploy/render-install > deploy/install.yaml

.PHONY: control-plane helm promtool can-run-a-node node
control-plane:
	@tests/programs/control-plane/build >/dev/null

helm:
	@tests/programs/helm/build >/dev/null

promtool:
	@tests/programs/promtool/build >/dev/null

# Runs first in e2e: checks the requirements before builds that take minutes.
can-run-a-node:
	@tests/programs/node/within true

node:
	@tests/programs/node/build >/dev/null

building = test -x $(TARGET)/$(1)/docspace-backup-operator || echo "Building the operator once: about $(2) minutes on 2 cores" >&2
