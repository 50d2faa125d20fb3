#!/bin/sh
# Kubeconfigs as lines of one key and one value each, for what a rotation writes on the node itself: nothing of them is told. In such
# lines a shell finds what a YAML parser finds, and no other file is taken apart here: kubectl writes it in this form first.

# Whether standard input has such lines and no others: a key with a value on the same line or none, an item, a comment.
is_plain() {
  plain_word='[A-Za-z0-9/+_.~]([^[:space:]]|[ ]+[^#[:space:]])*'
  plain_scalar="($plain_word|\"[^\"\\\\]*\"|'[^']*'|\\{\\}|\\[\\])"
  ! grep -qvE "^(---|[ ]*(#.*)?|[ ]*(- )?[A-Za-z][A-Za-z0-9._/-]*:([ ]+${plain_scalar})?[ ]*|[ ]*- ${plain_scalar}[ ]*)\$"
}

# FILE: its lines. A status other than 0, and why, if it is not understood.
plain() {
  if is_plain < "$1"; then
    cat "$1"
    return 0
  fi
  if ! command -v kubectl > /dev/null; then
    echo "it has other YAML than kubeadm writes, and there is no kubectl to read it" >&2
    return 1
  fi
  plain_text=$(kubectl config view --raw --kubeconfig "$1" -o yaml) || return 1
  if ! printf '%s\n' "$plain_text" | is_plain; then
    echo "it has other YAML than a kubeconfig, also as kubectl writes it" >&2
    return 1
  fi
  printf '%s\n' "$plain_text"
}
