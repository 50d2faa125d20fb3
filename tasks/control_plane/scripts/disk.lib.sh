#!/bin/sh
# Prints the free space of a file system.

# `KIND_free BYTES` of the file system that has, or will have, PATH; or `KIND_problem WORDS`.
tell_free() { # KIND PATH
  free_path=$2
  while [ ! -e "$free_path" ]; do free_path=$(dirname "$free_path"); done
  if free_told=$(df --output=avail -B1 "$free_path" 2>&1); then
    echo "$1_free $(echo "$free_told" | tail -n 1)"
  else
    echo "$1_problem $free_told"
  fi
}
