#!/usr/bin/env bash
# Runs a command in an image of buildah's store as Kubernetes would: user 10001, read-only root, no capabilities, the
# command as process 1. Needs root; the network is that of this machine.
#
#   run.sh IMAGE DATA_FOLDER [NAME=VALUE ...] [--mount FOLDER]... -- COMMAND [ARGUMENT ...]
#
# DATA_FOLDER becomes /var/lib/cryolattice; FOLDER is seen, read-only, at its own path.
set -euo pipefail

user=10001
image=$1 data=$2
shift 2
mapfile -t environment < <(buildah inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$image" | grep "=")
mounts=()
while [ "$1" != -- ]; do
  case $1 in
    --mount) mounts+=("$2") && shift 2 ;;
    *) environment+=("$1") && shift ;;
  esac
done
shift

container=$(buildah from --pull-never "$image")
root=$(buildah mount "$container")
trap 'buildah rm "$container" > /dev/null' EXIT
install -d -o "$user" -g "$user" "$data"
# shellcheck disable=SC2317 # bash calls it below
inside() {
  # in mount and process namespaces of its own
  mount --bind "$root" "$root"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount --bind "$data" "$root/var/lib/cryolattice"
  mount --rbind /dev "$root/dev"
  mount -t proc proc "$root/proc"
  for folder in "${mounts[@]}"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
    mount -o remount,ro,bind "$root$folder"
  done
  mount -o remount,ro,bind "$root"
  exec env -i "${environment[@]}" /usr/sbin/chroot "$root" /usr/bin/setpriv \
    --reuid="$user" --regid="$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
}
export -f inside
export root data user
# arrays do not travel through the environment
unshare --mount --pid --fork --kill-child=TERM bash -euc \
  "$(declare -p environment mounts); $(declare -f inside); inside \"\$@\"" inside "$@" &
child=$!
trap 'kill -TERM "$(pgrep -P "$child")" 2> /dev/null || true' TERM INT
code=0
wait "$child" || code=$?
while kill -0 "$child" 2> /dev/null; do
  code=0
  wait "$child" || code=$?
done
exit "$code"
