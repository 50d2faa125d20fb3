#!/bin/sh
# Downloads the packages and images of a version. It changes nothing that is running. `place_sources.sh` has written the sources.
#
# Given:  PROGRAMS       packages of Kubernetes
#         CONTROL_PLANE  yes: pull all images; empty: only those that every node runs
#         ENDPOINT       the socket of the container runtime; empty: crictl finds it
#         TARGET         the minor of the version (1.37)
#         CONFIGURATION  the cluster's ClusterConfiguration with the target version, which names the image registry
#
# Prints:  `image NAME` for each image that this kubeadm needs, among the output of the tools
# Status:  75 if a download failed and another try may succeed

. tasks/upgrade/scripts/packages.lib.sh

# Downloads the packages with apt, and unpacks kubeadm. Warnings of apt do not count: there is a current index, or none.
fetch_by_apt() {
  if [ ! -e fetched ]; then
    rm -rf lists cache
    private_apt update 2>&1 || echo "apt-get update ended with status $?"
    [ -n "$(indices_in "$FOLDER")" ] || put_off
    wanted=
    for name in $PROGRAMS; do
      wanted="$wanted $name=$VERSION-*"
    done
    # shellcheck disable=SC2086 # words
    private_apt install --download-only --reinstall --allow-change-held-packages --allow-downgrades $wanted || exit 75
    touch fetched
  fi
  rm -rf unpacked
  dpkg-deb -x cache/archives/kubeadm_"$VERSION"-*.deb unpacked
}

# Runs apt with only the repositories of the version.
private_apt() {
  with_copies "$FOLDER" apt_get "$@" -o Acquire::Retries=2
}

# Ends the script; another try may get an answer.
put_off() {
  echo "no repository of v$TARGET has answered with an index of its packages"
  exit 75
}

# Downloads the packages with dnf, and unpacks kubeadm.
fetch_by_dnf() {
  if [ ! -e fetched ]; then
    mkdir -p packages
    private_dnf makecache || put_off
    wanted=
    for name in $PROGRAMS; do
      wanted="$wanted $name-$VERSION"
    done
    # shellcheck disable=SC2086 # words
    private_dnf download --resolve --destdir packages $wanted || exit 75
    touch fetched
  fi
  rm -rf unpacked
  mkdir unpacked
  (cd unpacked && rpm2cpio ../packages/kubeadm-"$VERSION"-*.rpm | cpio -idm --quiet)
}

# Runs dnf with only the repositories of the version.
private_dnf() {
  dnf -y --setopt=reposdir="$FOLDER/parts" "$@"
}

# Pulls the images: all on a control plane node, those of every node on a worker.
pull_images() {
  if [ -n "$CONTROL_PLANE" ] || ! command -v crictl > /dev/null; then
    ./kubeadm config images pull --config cluster.yaml || exit 75
    return
  fi
  while read -r image; do
    case "$image" in
      *kube-proxy* | *coredns* | *pause*) crictl ${ENDPOINT:+"--runtime-endpoint=$ENDPOINT"} pull "$image" < /dev/null || exit 75 ;;
    esac
  done < images
}

set -eu
umask 022
mkdir -p "$FOLDER"
cd "$FOLDER"
case "$MANAGER" in
  apt) fetch_by_apt ;;
  dnf) fetch_by_dnf ;;
esac
mv unpacked/usr/bin/kubeadm kubeadm
rm -rf unpacked
said=$(./kubeadm version -o short) || true
if [ "$said" != "v$VERSION" ]; then
  echo "the package's kubeadm says $said"
  exit 1
fi
printf '%s\n' "$CONFIGURATION" > cluster.yaml
# shellcheck disable=SC2094 # the word `images` is no file
./kubeadm config images list --config cluster.yaml > images
pull_images
sed 's/^/image /' images
touch staged
