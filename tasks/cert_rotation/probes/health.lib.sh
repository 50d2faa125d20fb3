#!/bin/sh
# Health of programs that say it on loopback, to anybody.

# Prints `ok` when the program behind a port is well.
health() { # PORT
  curl --insecure --silent --max-time 5 "https://127.0.0.1:$1/healthz" || true
}
