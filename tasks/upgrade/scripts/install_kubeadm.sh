#!/bin/sh
# Installs the staged kubeadm, after the node's own repository files name its minor: it touches nothing of what runs.
#
# Prints:  what the package manager says
# Status:  another one than 0 where it cannot be installed

. tasks/upgrade/scripts/packages.lib.sh

set -eu
switch_repository
install_staged kubeadm
