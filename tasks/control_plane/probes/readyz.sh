#!/bin/sh
# Asks the API server of this node whether it is ready.
#
# Prints:  the HTTP status of its answer: 200 if it is ready
# Status:  0

. tasks/control_plane/scripts/readiness.lib.sh

readyz
