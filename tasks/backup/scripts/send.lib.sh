#!/bin/sh
# Sends a file, or a stream, to the store in parts, after `read_ca`.
#
# Given:  PART_BYTES  of each part but the last one
#         PART_TRIES  for each part

part() { # FILE OFFSET LENGTH
  tail -c +$(($2 + 1)) "$1" | head -c "$3"
}

# Prints the MD5 sum of standard input in base64, for Content-MD5: under Object Lock S3 requires a sum of each part, and every store
# knows this one. Prints nothing if the machine cannot compute it (FIPS).
md5_in_base64() {
  hex=$(md5sum) || return 0
  hex=${hex%% *}
  while [ -n "$hex" ]; do
    rest=${hex#??}
    printf '%b' "\\0$(printf %03o "0x${hex%"$rest"}")"
    hex=$rest
  done | base64
}

# Tries once to send a part of a file. Prints the ETag from the store, or nothing.
try_to_put() { # FILE OFFSET LENGTH URL
  sum=$(part "$1" "$2" "$3" | md5_in_base64)
  printf 'url = "%s"\n' "$4" | {
    exec 3<&0
    part "$1" "$2" "$3" | curl --config /dev/fd/3 --upload-file - \
      --silent --show-error --fail --connect-timeout 10 --speed-limit 1024 --speed-time 60 ${ca:+--cacert "$ca"} \
      --header "Content-Length: $3" --header "Transfer-Encoding:" --header "Expect:" \
      ${sum:+--header "Content-MD5: $sum"} --dump-header - --output body
  } | tr -d '\r' | sed -n 's/^[Ee][Tt][Aa][Gg]: *//p'
}

# Sends a part until the store has it, and prints `etag NUMBER ETAG`. Status 75 after the last try.
put() { # NUMBER FILE OFFSET LENGTH URL
  number=$1
  shift
  try=1
  until etag=$(try_to_put "$@") && [ -n "$etag" ]; do
    if [ "$try" -ge "$PART_TRIES" ]; then
      head -c 500 body 2> /dev/null || true
      echo "part $number was not taken in $PART_TRIES tries"
      exit 75
    fi
    sleep "$try"
    try=$((try + 1))
  done
  echo "etag $number $etag"
}

# Sends the whole file. Standard input has one address a line, one for each part.
send() { # FILE
  size=$(stat -c %s "$1")
  left=$size
  next=1
  while [ "$left" -gt 0 ] && read -r url; do
    length=$left
    [ "$length" -le "$PART_BYTES" ] || length=$PART_BYTES
    put "$next" "$1" "$((size - left))" "$length" "$url"
    left=$((left - length))
    next=$((next + 1))
  done
  if [ "$left" -ne 0 ]; then
    echo "$1 has $left bytes more than there are URLs for"
    exit 1
  fi
}

# Sends standard input. Only one part of it is on the disk at a time. Descriptor 4 has the addresses, one a line.
send_stream() {
  next=1
  while :; do
    dd of=part bs=1048576 count=$((PART_BYTES / 1048576)) iflag=fullblock status=none || exit 1
    length=$(stat -c %s part)
    [ "$length" -gt 0 ] || break
    if ! read -r url <&4; then
      echo "there is more to send than there are URLs for: $((next - 1)) parts of $PART_BYTES bytes"
      exit 1
    fi
    put "$next" part 0 "$length" "$url"
    next=$((next + 1))
  done
}
