#!/bin/sh
# Asks the ClusterIPs of `kubernetes` and the addresses of the cluster's DNS from this node. Changes nothing.
#
# Given:   API_IPS   of default/kubernetes, of each family
#          PORT      of that Service
#          DNS_IPS   DNS servers of pods
#          DNS_PORT  by UDP
#          QUERIES   datagrams, each in hexadecimal
# Prints:  `api IP STATUS`, the HTTP status of /readyz, 000 for no answer; `dns IP ID ANSWER`, the first two octets of the query, and those of
#          the answer, all in hexadecimal
# Status:  0

# IP: prints the host as a URL has it.
in_url() {
  case "$1" in
    *:*) echo "[$1]" ;;
    *) echo "$1" ;;
  esac
}

# IP QUERY: asks by UDP, as pods do.
# bash writes line by line, and a datagram must be written at once: the length of the first label is a line's end.
ask_dns() {
  bash -c '
    exec 3<> "/dev/udp/$1/$2"
    printf "%b" "$3" | dd bs=512 iflag=fullblock status=none >&3
    timeout 3 dd bs=512 count=1 status=none <&3 | od -An -v -tx1
  ' bash "$1" "$DNS_PORT" "$(printf '%s' "$2" | sed 's/../\\x&/g')" 2> /dev/null | tr -d ' \n'
}

# IP: prints its answer. This checks no certificate, and uses no proxy, because pods use none.
ask_api() {
  curl --insecure --silent --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' \
    "https://$(in_url "$1"):$PORT/readyz"
}

for ip in $API_IPS; do
  echo "api $ip $(ask_api "$ip")"
done
for ip in $DNS_IPS; do
  for query in $QUERIES; do
    echo "dns $ip $(printf '%.4s' "$query") $(ask_dns "$ip" "$query")"
  done
done
