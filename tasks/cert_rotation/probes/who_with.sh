#!/bin/sh
# Asks the API who it is that has each of some kubeconfigs. Changes nothing.
#
# Prints:  `who FILE` and the user, or `nobody FILE` and why; nothing where there is no kubectl
# Status:  0

. tasks/cert_rotation/probes/who.lib.sh

ask_who
