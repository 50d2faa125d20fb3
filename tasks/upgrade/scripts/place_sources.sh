#!/bin/sh
# Writes the package sources of a version. Standard input has the names of files, and their texts in base64.
#
# Given:  FOLDER  the folder of the version on this node
#
# Prints:  nothing
# Status:  not 0 if not all are written

. tasks/nodes/probes/repositories.lib.sh

set -eu
umask 077
place_copies "$FOLDER/parts"
