#!/bin/sh
# Removes a folder, its argument, when standard input ends, also if the worker dies. The folder holds the cluster's secrets.
#
# Prints:  nothing
# Status:  0

read -r _
for _ in 1 2 3 4 5; do
  rm -rf -- "$1" && exit
  sleep 1
done
