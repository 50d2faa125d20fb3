#!/bin/sh
# Kubeconfigs without their secrets: the one way in which nodes tell them. Each character that is not known to be harmless is an `x`, of
# fields as of values, so that places in the text are those in the file. It is YAML still, and the worker parses it
# (`tasks/core/probes/masked_kubeconfig.py`). A key is told by its public half alone, which openssl computes on the node.

# WHAT FILE: `text`, the file without its secrets and, with `bare`, without certificates; `keys` or `certificates`, the base64 of each such
# field, a line each, in their order.
read_masked() {
  LC_ALL=C awk -v what="$1" '
    BEGIN {
      split("clusters cluster contexts context users user preferences", words, " ")
      for (one in words) class[words[one]] = "nest"
      split("apiVersion kind name server current-context namespace client-certificate client-key certificate-authority " \
        "tls-server-name", words, " ")
      for (one in words) class[words[one]] = "word"
      if (what != "bare") class["certificate-authority-data"] = class["client-certificate-data"] = "certificates"
      class["client-key-data"] = "keys"
      covered = -1
    }
    function tell(part) { told = told part }
    function hide(part) { gsub(/[^ \r]/, "x", part); tell(part) }
    function step(size) { tell(substr(rest, 1, size)); pass(size) }
    function pass(size) { rest = substr(rest, size + 1); column += size }
    # Of a field that is a list or a mapping, or of an item: what is in it has fields of its own.
    function enter() { kind = ""; covered = -1 }
    function collect(part) {
      if (kind != "keys" && kind != "certificates") return
      sub(/^ *[|>][-+0-9]*[ \r]*$/, "", part)
      gsub(/\\n/, "", part)
      gsub(/[^A-Za-z0-9+\/=]/, "", part)
      value[found] = value[found] part
    }
    # Tells a value, or a part of it, if it is harmless.
    function give(part) {
      collect(part)
      if (kind == "certificates" && part ~ /^["\047A-Za-z0-9+\/=|> -]*\r?$/) tell(part)
      else if ((kind == "word" || kind == "nest") && is_word(part)) {
        if (match(part, /\/\/[^\/]*@/)) {
          tell(substr(part, 1, RSTART + 1))
          hide(substr(part, RSTART + 2, RLENGTH - 3))
          part = substr(part, RSTART + RLENGTH - 1)
        }
        tell(part)
      } else hide(part)
    }
    function is_word(part) {
      return part ~ /^["\047]?[A-Za-z0-9@.:_\/%+= -]*["\047]?[ \r]*$/ || part ~ /^["\047]?https?:\/\/[^ {}&*!|>#,"\047]*["\047]?[ \r]*$/
    }
    # How long a quoted text at the beginning is; 0 where it does not end on this line.
    function quoted_length(text) {
      return match(text, /^("([^"\\]|\\.)*"|\047([^\047]|\047\047)*\047)/) ? RLENGTH : 0
    }
    # How long the name of a field at the beginning is; 0 where there is none.
    function key_length(text,   size) {
      if ((size = quoted_length(text)) > 0) return substr(text, size + 1) ~ /^ *:/ ? size : 0
      if (!match(text, /^[A-Za-z0-9_.<][A-Za-z0-9_.<\/-]* *:([ \r]|$)/)) return 0
      match(text, /^[^ :]+/)
      return RLENGTH
    }
    function begin_key(key,   bare) {
      bare = key
      gsub(/^["\047]|["\047]$/, "", bare)
      kind = bare in class ? class[bare] : ""
      if (kind == "") hide(key)
      else tell(key)
      if (kind == "keys" || kind == "certificates") kinds[++found] = kind
      covered = column
      began = 0
    }
    # The rest of a quoted text that began on an earlier line.
    function end_quote(   size) {
      size = match(rest, quote == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^\047]|\047\047)*\047") ? RLENGTH : 0
      if (size > 0) quote = ""
      else size = length(rest)
      if (skipped > 0) hide(substr(rest, 1, size))
      else give(substr(rest, 1, size))
      pass(size)
    }
    # One character, or one quoted text, of a list or mapping that is hidden as a whole.
    function skip(   first, size) {
      first = substr(rest, 1, 1)
      if (first == "{" || first == "[") skipped++
      if (first == "}" || first == "]") skipped--
      size = 1
      if (first == "\"" || first == "\047") {
        size = quoted_length(rest)
        if (size == 0) { quote = first; size = length(rest) }
      }
      hide(substr(rest, 1, size))
      pass(size)
    }
    function give_scalar(   first, size) {
      began = 1
      first = substr(rest, 1, 1)
      if (first == "\"" || first == "\047") {
        size = quoted_length(rest)
        if (size == 0) { quote = first; size = length(rest) }
      } else if (flow > 0) size = match(rest, /[]},]/) ? RSTART - 1 : length(rest)
      else size = match(rest, / +#/) ? RSTART - 1 : length(rest)
      if (size < 1) size = 1
      give(substr(rest, 1, size))
      pass(size)
    }
    {
      rest = $0
      told = ""
      column = 0
      has_key = 0
      if (quote == "" && flow == 0 && skipped == 0 && rest ~ /[^ \r]/) {
        match(rest, /^ */)
        if (covered >= 0 && RLENGTH > covered && (kind != "nest" || began)) { # below a field: a part of its value
          if (kind == "certificates") give(rest)
          else { collect(rest); hide(rest) }
          rest = ""
        } else enter()
        if (rest ~ /^---[ \r]*$/) step(length(rest))
      }
      while (rest != "") {
        if (quote != "") end_quote()
        else if (match(rest, /^[ \r]+/)) step(RLENGTH)
        else if (skipped > 0) skip()
        else if (rest ~ /^#/) { step(1); hide(rest); rest = "" }
        else if (flow == 0 && !has_key && rest ~ /^-[ \r]/) step(2)
        else if (flow == 0 && !has_key && rest == "-") step(1)
        else if (!(flow == 0 && has_key) && (size = key_length(rest)) > 0) {
          begin_key(substr(rest, 1, size))
          pass(size)
          match(rest, /^ *:/)
          step(RLENGTH)
          has_key = 1
        } else if (rest ~ /^[{[]/) {
          if (kind == "nest" || covered < 0) { flow++; began = 1; step(1); enter() }
          else { skipped = 1; hide("x"); pass(1) }
        } else if (flow > 0 && rest ~ /^[]}]/) { flow--; step(1); enter() }
        else if (flow > 0 && rest ~ /^,/) { step(1); enter() }
        else give_scalar()
      }
      if (what == "text" || what == "bare") print told
    }
    END { for (one = 1; one <= found; one++) if (kinds[one] == what) print value[one] }
  ' "$2"
}

# FILE: as it is told. A certificate with a key beside it in the same field is told by neither.
masked() {
  if read_masked certificates "$1" | while read -r masked_value; do
    printf '%s' "$masked_value" | base64 -d 2> /dev/null
  done | grep -q 'PRIVATE KEY-----'; then
    read_masked bare "$1"
  else
    read_masked text "$1"
  fi
}

# FILE: the public half of each key in it (DER, in base64), in their order; `-` for one that openssl does not read.
public_halves() {
  read_masked keys "$1" | while read -r masked_value; do
    masked_value=$(printf '%s' "$masked_value" | base64 -d 2> /dev/null | openssl pkey -pubout -outform DER 2> /dev/null | base64 -w0)
    printf '%s ' "${masked_value:--}"
  done
}
