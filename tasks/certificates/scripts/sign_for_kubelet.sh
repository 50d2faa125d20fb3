#!/bin/sh
# Signs the request on standard input by the cluster's CA. It has to be for the client certificate of that very node.
#
# Given:  CA     the file of the cluster's CA, of which the first one signs
#         KEY    the file of its key
#         NAME   of the node that asks
#         HOURS  that the certificate is valid for
#
# Prints:  the certificate, as PEM
# Status:  not 0 if the request is for anybody else, or openssl does not sign; nothing is left behind

set -eu
umask 077

# SECONDS since 1970, as openssl ca wants it.
date_of() {
  date -u -d "@$1" +%y%m%d%H%M%SZ
}

refuse_others() {
  subject=$(openssl req -in "$work/request" -verify -noout -subject -nameopt RFC2253 2> /dev/null)
  if [ "$subject" != "subject=CN=system:node:$NAME,O=system:nodes" ]; then
    echo "not asked for by $NAME: $subject" >&2
    exit 1
  fi
}

# openssl has it no other way: a CA that remembers nothing, and signs any subject with these two fields.
write_configuration() {
  mkdir "$work/ca"
  : > "$work/ca/index"
  cat > "$work/ca/config" << CONFIG
[ca]
default_ca=it
[it]
database=$work/ca/index
new_certs_dir=$work/ca
default_md=sha256
policy=any
rand_serial=yes
unique_subject=no
[any]
organizationName=supplied
commonName=supplied
CONFIG
  cat > "$work/extensions" << EXTENSIONS
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth
basicConstraints = critical, CA:FALSE
EXTENSIONS
}

# From five minutes ago on: clocks differ.
sign() {
  now=$(date +%s)
  valid_hours=$HOURS
  openssl ca -batch -notext -preserveDN -config "$work/ca/config" -extfile "$work/extensions" \
    -cert "$CA" -keyfile "$KEY" \
    -startdate "$(date_of $((now - 300)))" -enddate "$(date_of $((now + valid_hours * 3600)))" \
    -in "$work/request" -out "$work/certificate" 2> "$work/said"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/request"
refuse_others
write_configuration
if ! sign; then
  tail -n 2 "$work/said" >&2
  exit 1
fi
cat "$work/certificate"
