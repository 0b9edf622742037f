#!/usr/bin/env bash
# Compare the protocols with those of the last release, kept as an image so that a shallow clone has it.
# A release renews it: buf build protos -o protos/baseline.binpb, and tags the commit protos-vN.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/buf breaking protos --against protos/baseline.binpb
