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
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
make_image() {
  local name=$1 packages=$2 container
  mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt='APT::Install-Recommends "false"' "$suite" "$folder/$name.tar"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$folder/$name.tar" / > /dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet "$container" "localhost/$name" > /dev/null
  buildah rm "$container" > /dev/null
  echo "localhost/$name"
}
make_image cryolattice-base python3,ca-certificates
make_image cryolattice-builder python3,python3-pip,python3-venv,ca-certificates
