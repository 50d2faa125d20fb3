#!/bin/sh
# Stops jobs, and every process of them.
#
# Given:   UNITS  of systemd: a name, or a pattern
# Prints:  nothing
# Status:  that of systemctl

systemctl stop "$UNITS"
