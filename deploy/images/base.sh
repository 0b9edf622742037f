#!/usr/bin/env bash
# Makes base images from Debian's packages, for a machine that reaches no image registry:
# localhost/cryolattice-base (Python alone) and localhost/cryolattice-builder (with pip).
# Then: BASE=localhost/cryolattice-base BUILDER=localhost/cryolattice-builder deploy/images/build.sh
set -euo pipefail

suite=${SUITE:-trixie}
for program in mmdebstrap buildah; do
  command -v "$program" > /dev/null || {
    echo "$program is not installed: apt-get install mmdebstrap buildah" >&2
    exit 1
  }
done
make_image() {
  local name=$1 packages=$2 container
  container=$(buildah from scratch)
  mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt='APT::Install-Recommends "false"' "$suite" - \
    | buildah add --quiet "$container" /dev/stdin / > /dev/null
  buildah commit --quiet "$container" "localhost/$name" > /dev/null
  buildah rm "$container" > /dev/null
  echo "localhost/$name"
}
make_image cryolattice-base python3,ca-certificates
make_image cryolattice-builder python3,python3-pip,python3-venv,ca-certificates
