#!/usr/bin/env bash
# Builds the images with docker, podman or buildah: build.sh [modeler|simulator|analyzer|ray ...]
#
# BASE      image with Python 3.12 or later (default: that of the Dockerfiles)
# BUILDER   the same with pip (default: BASE)
# PIP_CONF  pip configuration for the build, such as another package index
# REGISTRY  prefix of the names, such as registry.example.org/group/
# TAG       default: the version of the packages
# FLAGS     further options of the tool
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' services/common/pyproject.toml)
options=(--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD)")
[ -z "${BASE:-}" ] || options+=(--build-arg "BASE=$BASE")
[ -z "${BUILDER:-}" ] || options+=(--build-arg "BUILDER=$BUILDER")
[ -z "${PIP_CONF:-}" ] || options+=(--secret "id=pip,src=$PIP_CONF")
if docker info > /dev/null 2>&1; then
  tool=(docker build)
elif podman info > /dev/null 2>&1; then
  tool=(podman build)
elif command -v buildah > /dev/null; then
  # needs no privileges beyond those of its user, and no daemon
  tool=(buildah bud --isolation chroot --network host --layers)
else
  echo "install docker, podman or buildah to build images" >&2
  exit 1
fi
read -ra flags <<< "${FLAGS:-}"
[ $# -gt 0 ] || set -- modeler simulator analyzer ray
for image in "$@"; do
  name="${REGISTRY:-}cryolattice-$image:${TAG:-$version}"
  echo "==> $name"
  "${tool[@]}" "${options[@]}" "${flags[@]}" -f "deploy/images/$image.Dockerfile" -t "$name" .
done
