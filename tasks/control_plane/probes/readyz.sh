#!/bin/sh
# Whether the API server of this node says that it is ready.
#
# Prints:  the status of its answer: 200 when it is
# Status:  0

. tasks/control_plane/scripts/readiness.lib.sh

readyz
