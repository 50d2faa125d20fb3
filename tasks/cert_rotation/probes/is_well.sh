#!/bin/sh
# Asks a program whether it is healthy. Changes nothing.
#
# Given:  ADDRESS  the address that it answers at, with the port
# Prints:  `ok`, or its other answer
# Status:  0

. tasks/cert_rotation/probes/health.lib.sh

health "$ADDRESS"
