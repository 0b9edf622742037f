#!/usr/bin/env bash
# Compare the protocols with the newest released ones. A clone without tags has nothing to compare.
set -euo pipefail
cd "$(dirname "$0")/.."
baseline=$(git tag --list 'protos-v*' --sort=-version:refname | head -n 1)
if [ -z "$baseline" ]; then
  echo "no protos-v* tag in this clone: nothing to compare with"
  exit 0
fi
.venv/bin/buf breaking --against ".git#tag=$baseline"
