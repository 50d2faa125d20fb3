#!/bin/sh
# Asks the API which user it sees with each kubeconfig. Changes nothing.
#
# Prints:  `who FILE` and the user, or `nobody FILE` and why; nothing if there is no kubectl
# Status:  0

. tasks/cert_rotation/probes/who.lib.sh

ask_who
