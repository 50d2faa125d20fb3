#!/bin/sh
# Prints a text as one word, because paths may contain spaces and patterns. The worker decodes it with `unquote`.

# Prints TEXT as one word.
as_word() {
  printf '%s' "$1" | sed -e ':all' -e '$!{N;b all' -e '}' -e 's/%/%25/g; s/ /%20/g; s/\\/%5C/g; s/\n/%0A/g'
}
