"""What a machine does for its certificates: it makes its own keys, asks for what they need, and puts in place what it gets.

Private keys of leaves are made on the machine and never leave it. Each script looks at what is there first, so that it can be
run again at any point, and puts a file in place in one move; what was there is copied away before.
"""

import base64
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from tasks.certificate_issue.models import WORK
from tasks.certificates.models.kubeadm import AUTHORITIES, Leaf
from tasks.core.errors import CommandFailed
from tasks.core.shell import quoted

BITS = 2048
"""As kubeadm makes them."""

PUBLIC, PRIVATE = "644", "600"
"""Modes, as kubeadm gives them."""


def make_requests(folder: PurePosixPath, leaves: Sequence[Leaf]) -> str:
    """Makes a key for each, where none waits from before, and prints a request by it."""
    calls = "\n".join(f"ask {shlex.quote(leaf.name)}" for leaf in leaves)
    return f"""{_begin(folder)}
ask() {{ # NAME; its subject means nothing: whom the certificate is for is decided where it is signed
  key={WORK}/$1.key
  [ -s "$key" ] || {{ openssl genrsa -out "$key.new" {BITS} 2> /dev/null; sync "$key.new"; mv "$key.new" "$key"; }}
  echo "request $1 $(openssl req -new -key "$key" -subj "/CN=$1" | base64 -w0)"
}}
{calls}
"""


def parse_requests(node: str, stdout: bytes, leaves: Iterable[Leaf]) -> dict[str, bytes]:
    """Leaf to its request (PEM); CommandFailed when one is missing."""
    lines = [line.split(" ") for line in stdout.decode(errors="replace").splitlines()]
    found = {words[1]: base64.b64decode(words[2]) for words in lines if words[:1] == ["request"] and len(words) > 2}  # noqa: PLR2004 - three words
    if missing := [leaf.name for leaf in leaves if not found.get(leaf.name)]:
        raise CommandFailed(f"{node}: openssl made no request for {', '.join(missing)}", hint="look at openssl there")
    return found


def put_in_place(folder: PurePosixPath, run_id: str) -> str:
    """Reads from standard input what `whole_file`, `certificate_of` and `kubeconfig_of` say, and puts it in place.

    Prints `written PATH` for each, and `kept FOLDER` when a copy of something older was kept.
    """
    return f"""{_begin(folder)}
kept={kept_folder(folder, run_id)}
keep() {{ # PATH
  [ -e "$1" ] && [ ! -e "$kept/$1" ] || return 0
  mkdir -p "$kept/$(dirname "$1")"
  cp -p "$1" "$kept/$1.new"; sync "$kept/$1.new"; mv "$kept/$1.new" "$kept/$1"
}}
place() {{ # NEW PATH MODE
  if cmp -s "$1" "$2"; then rm -f "$1"; return 0; fi
  keep "$2"
  [ -d "$(dirname "$2")" ] || mkdir -p -m 755 "$(dirname "$2")"
  chmod "$3" "$1"; sync "$1"; mv -fT "$1" "$2"
  echo "written $2"
}}
decoded() {{ printf '%s' "$1" | base64 -d; }}
while read -r kind name path text; do
  case $kind in
    file)
      decoded "$text" > {WORK}/file.new
      place {WORK}/file.new "$path" "$name" ;;
    certificate)
      decoded "$text" > {WORK}/$name.new; sync {WORK}/$name.new; mv {WORK}/$name.new {WORK}/$name.crt
      [ ! -e {WORK}/$name.key ] || place {WORK}/$name.key "${{path%.crt}}.key" {PRIVATE}
      place {WORK}/$name.crt "$path" {PUBLIC} ;;
    kubeconfig)
      {{ decoded "$text"; base64 -w0 < {WORK}/$name.key; echo; }} > {WORK}/$name.new
      place {WORK}/$name.new "$path" {PRIVATE}
      rm -f {WORK}/$name.key ;;
  esac
done
rmdir {WORK} 2> /dev/null || true
[ ! -d "$kept" ] || echo "kept $kept"
"""


def kept_folder(folder: PurePosixPath, run_id: str) -> str:
    """Where copies of what was replaced are."""
    return quoted(folder / f"kube-runbooks-before-{run_id}")


def whole_file(path: str, content: bytes, mode: str) -> bytes:
    """For `put_in_place`: a file as it is. May be a key: this goes by standard input, and nowhere else."""
    return b" ".join([b"file", mode.encode(), path.encode(), base64.b64encode(content)]) + b"\n"


def certificate_of(leaf: Leaf, certificate: bytes) -> bytes:
    """For `put_in_place`: a certificate whose key waits on the machine."""
    return f"certificate {leaf.name} {leaf.path} ".encode() + base64.b64encode(certificate) + b"\n"


def kubeconfig_of(leaf: Leaf, certificate: bytes, authority: bytes) -> bytes:
    """For `put_in_place`: a kubeconfig as kubeadm writes it, up to its key, which the machine appends."""
    text = f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {base64.b64encode(authority).decode()}
    server: {leaf.asks}
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: {leaf.common_name}
  name: {leaf.common_name}@kubernetes
current-context: {leaf.common_name}@kubernetes
kind: Config
users:
- name: {leaf.common_name}
  user:
    client-certificate-data: {base64.b64encode(certificate).decode()}
    client-key-data: """
    return f"kubeconfig {leaf.name} {leaf.path} ".encode() + base64.b64encode(text.encode()) + b"\n"


def parse_written(stdout: bytes) -> Mapping[str, tuple[str, ...]]:
    """What was `written`, and where copies were `kept`."""
    lines = [line.partition(" ") for line in stdout.decode(errors="replace").splitlines()]
    return {kind: tuple(rest for word, _, rest in lines if word == kind) for kind in ("written", "kept")}


def verify(folder: PurePosixPath, leaves: Iterable[Leaf]) -> str:
    """Has openssl judge each: signed by its authority, and good for what it is for. Prints what is wrong, and nothing else."""
    calls = "\n".join(
        f"judge {shlex.quote(leaf.path)} {shlex.quote(AUTHORITIES[leaf.authority])} {purpose}"
        for leaf in leaves
        for wanted, purpose in ((leaf.server, "sslserver"), (leaf.client, "sslclient"))
        if wanted
    )
    return f"""set -u
cd {quoted(folder)}
pem() {{ # PATH; a kubelet that has joined names a file in its kubeconfig
  case "$1" in
    *.conf)
      named=$(sed -n 's/^ *client-certificate: //p' "$1")
      if [ -n "$named" ]; then cat "$named"; else sed -n 's/^ *client-certificate-data: //p' "$1" | base64 -d; fi ;;
    *) cat "$1" ;;
  esac
}}
judge() {{ # PATH AUTHORITY PURPOSE
  said=$(pem "$1" | openssl verify -CAfile "$2" -purpose "$3" 2>&1) || echo "$1 ($3): $said" | tr '\\n' ' '
}}
{calls}
"""


def _begin(folder: PurePosixPath) -> str:
    return f"""set -eu; umask 077
mkdir -p -m 755 {quoted(folder)} {quoted(folder)}/pki
cd {quoted(folder)}
mkdir -p {WORK}"""
