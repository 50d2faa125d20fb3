#!/bin/sh
# Whether a program says that it is well. Changes nothing.
#
# Given:  PORT  where it says so on loopback
# Prints:  `ok`, or what it says instead
# Status:  0

. tasks/cert_rotation/probes/health.lib.sh

health "$PORT"
