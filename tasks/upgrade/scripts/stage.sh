#!/bin/sh
# Downloads packages and images of a version, and changes nothing of what runs.
#
# Given:  PROGRAMS       packages of Kubernetes
#         CONFIGURATION  the cluster's ClusterConfiguration with the version: images come from where the cluster's do
#
# Prints:  `image NAME` for each image that kubeadm of the version wants, among the words of the programs
# Status:  75 where something could not be downloaded that another attempt may get

. tasks/upgrade/scripts/packages.lib.sh

# Downloads the packages with apt, and takes kubeadm out of its own.
fetch_by_apt() {
  if [ ! -e fetched ]; then
    rm -rf parts lists cache
    copy_apt_files "$FOLDER" "$TARGET"
    private_apt update 2>&1 | tee update.log
    ! grep -q '^[EW]:' update.log || exit 75
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

# apt that knows the repository of the version alone.
private_apt() {
  with_copies "$FOLDER" apt_get "$@" -o Acquire::Retries=2
}

# Downloads the packages with dnf, and takes kubeadm out of its own.
fetch_by_dnf() {
  if [ ! -e fetched ]; then
    mkdir -p packages
    copy_dnf_files "$FOLDER" "$TARGET"
    wanted=
    for name in $PROGRAMS; do
      wanted="$wanted $name-$VERSION"
    done
    # shellcheck disable=SC2086 # words
    dnf -y --setopt=reposdir="$FOLDER/parts" download --resolve --destdir packages $wanted || exit 75
    touch fetched
  fi
  rm -rf unpacked
  mkdir unpacked
  (cd unpacked && rpm2cpio ../packages/kubeadm-"$VERSION"-*.rpm | cpio -idm --quiet)
}

# Pulls the images: all on a control plane node, those of every node on a worker.
pull_images() {
  if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || ! command -v crictl > /dev/null; then
    ./kubeadm config images pull --config cluster.yaml || exit 75
    return
  fi
  while read -r image; do
    case "$image" in
      *kube-proxy* | *coredns* | *pause*) crictl pull "$image" < /dev/null || exit 75 ;;
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
