#!/bin/sh
# Functions that read an archive from the store as a stream, after `read_ca`.

# Prints the object behind an address. The status of curl is in `curl.status`.
download() { # URL
  printf "url = \"%s\"\\n" "$1" | noting curl curl --config - --silent --show-error --fail --connect-timeout 10 \
    --speed-limit 1024 --speed-time 60 ${ca:+--cacert "$ca"}
}

# Decompresses standard input. What is no archive is read to its end, so that its sums are known.
unpacked() {
  noting zstd zstd -q --decompress --stdout
  cat > /dev/null
}
