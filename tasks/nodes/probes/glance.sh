#!/bin/sh
# Prints the facts that show quickly whether a node is healthy. Changes nothing.
#
# Prints:  lines of a kind and its words, for `parse` of node_facts.py
# Status:  0

. tasks/nodes/probes/machine.lib.sh

set -u
tell_boot
tell_units
tell_manifests
tell_api_server
tell_jobs
