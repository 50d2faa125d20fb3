#!/bin/sh
# What tells in a moment whether a machine is well. Changes nothing.
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
