#!/bin/sh
# Signs of life of a cluster: its nodes, their leases, and those of the leaders among its controllers. Changes nothing.
#
# Given:  NODE_NAMESPACE    of the nodes' leases
#         LEADER_NAMESPACE  of the leaders' leases
#         LEADERS           their names
#
# Prints:  lists as JSON, one after the other
# Status:  another one than 0 where the API does not answer

. tasks/restore/scripts/kubectl.lib.sh

set -e
as_administrator get nodes -o json
as_administrator get leases -n "$NODE_NAMESPACE" -o json
# shellcheck disable=SC2086  # words
as_administrator get leases -n "$LEADER_NAMESPACE" $LEADERS --ignore-not-found -o json
