#!/bin/sh
# Installs the staged kubeadm. It changes nothing that is running.
#
# Prints:  the output of the package manager
# Status:  not 0 if it cannot be installed

. tasks/upgrade/scripts/packages.lib.sh

set -eu
install_staged kubeadm
