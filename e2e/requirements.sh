#!/usr/bin/env bash
# Resolve every pinned requirement file again: hashed, and free of index addresses.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv --system-certs pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"; }
compile pyproject.toml --output-file operator/requirements.txt
compile operator/requirements-build.in --output-file operator/requirements-build.txt
compile e2e/cluster/requirements-sbom.in --output-file e2e/cluster/requirements-sbom.txt
compile pyproject.toml --group dev --output-file tests/requirements.txt
compile e2e/cluster/requirements-llama-source.in --no-deps --output-file e2e/cluster/requirements-llama-source.txt
compile e2e/cluster/requirements-llama-tools.in --output-file e2e/cluster/requirements-llama-tools.txt
compile e2e/cluster/requirements-sglang.in --no-deps --output-file e2e/cluster/requirements-sglang.txt
compile e2e/cluster/requirements-clients.in --no-deps --output-file e2e/cluster/requirements-clients.txt
compile tests/bench/requirements-litellm.in --output-file tests/bench/requirements-litellm.txt
compile tests/bench/requirements-vllm-router.in --output-file tests/bench/requirements-vllm-router.txt
