#!/bin/sh
# Stops jobs, and every process of them.
#
# Given:   UNITS  the name of a systemd unit, or a pattern
# Prints:  nothing
# Status:  that of systemctl

systemctl stop "$UNITS"
