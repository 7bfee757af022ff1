# What there is to do with this checkout. Each target says on the terminal what it builds and how long that takes.

# In CI every run is a new clone: what was compiled is kept beside it.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/docspace-backup-operator/target
endif
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo up test churn e2e bench lint crds manifests image image-test deny

## A cluster's API, a simulated portal and the operator: what they do together, in under a minute once built.
demo: control-plane
	@$(call building,debug,2)
	@cargo build --quiet
	@cargo run --quiet --package demo -- --operator $(TARGET)/debug/docspace-backup-operator

## The same, kept running until Ctrl-C.
up: control-plane
	@$(call building,debug,2)
	@cargo build --quiet
	@cargo run --quiet --package demo -- --operator $(TARGET)/debug/docspace-backup-operator --keep-running

## Everything: formatting, lints, unit, contract and integration tests against a real Kubernetes API.
test: lint control-plane helm promtool
	@cargo test --workspace --lib --bins --tests
	@$(MAKE) --no-print-directory churn

## The integration tests once more with two operators, of which the leader is ended again and again: about 4 minutes.
churn: control-plane helm
	@cargo test --test integration -- --ignored --nocapture replicas::

## How fast and how large: N=1000 objects at once, against the bare client of the same requests.
bench: control-plane
	@$(call building,release,6)
	@cargo build --quiet --release
	@cargo run --quiet --release --package bench -- --operator $(TARGET)/release/docspace-backup-operator --objects $(or $(N),1000)

lint:
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@tests/dependencies

## The CRD, after a change of src/api.
crds:
	@cargo run --quiet -- crd > crds/docspacebackupschedules.yaml
	@cp crds/docspacebackupschedules.yaml deploy/helm/docspace-backup-operator/files/
	@$(MAKE) --no-print-directory manifests

## The container image (ARCH=amd64 or arm64, else this machine's) and its SBOM into target/image.
image:
	@archive=$$(deploy/image/build $(ARCH)) && echo "$$archive" && deploy/image/sbom "$$archive"

## Starts the very program of the image, as the image's user, with nothing around it.
image-test: control-plane
	@archive=$$(deploy/image/build) && tests/image/run "$$archive"

## The image and the chart on a real node, in namespaces of its own: root, containerd and runc are needed.
e2e: can-run-a-node control-plane helm node
	@archive=$$(deploy/image/build) && \
	cargo test --quiet --test e2e --no-run && \
	DOCSPACE_IMAGE=$$(realpath "$$archive") CARGO_NET_OFFLINE=true tests/programs/node/within cargo test --test e2e -- --ignored --nocapture

## Licences, sources and banned crates of all dependencies; known holes, where the list of them can be fetched.
deny:
	@deploy/deny

## deploy/install.yaml, after a change of the chart.
manifests: helm
	@deploy/render-install > deploy/install.yaml

.PHONY: control-plane helm promtool can-run-a-node node
control-plane:
	@tests/programs/control-plane/build >/dev/null

helm:
	@tests/programs/helm/build >/dev/null

promtool:
	@tests/programs/promtool/build >/dev/null

# What takes minutes comes after what may be missing.
can-run-a-node:
	@tests/programs/node/within true

node:
	@tests/programs/node/build >/dev/null

building = test -x $(TARGET)/$(1)/docspace-backup-operator || echo "Building the operator once: about $(2) minutes on 2 cores" >&2
