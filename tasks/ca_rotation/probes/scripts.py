"""What a rotation of an authority has a node do: it lays down the new one beside the old one, and makes files of both.

Halves lie in a folder of their own, for root only. What a node believes and signs with is made of them, whatever it has now: each
script can be run again at any point, and puts each file in its place in one move.
"""

import base64
import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tasks.ca_rotation.models import Half, TrustOnNode
from tasks.certificates.models.authorities import (
    FILES,
    FLAGS,
    SIGNING_FILE,
    SIGNING_FLAG,
    TRUST,
    State,
    is_single,
    key_file,
    signing_file,
)
from tasks.certificates.probes.kubelet import LIKE
from tasks.certificates.probes.x509 import certificates_in, fingerprint_of, public_key_of, sum_of
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import CONTROLLERS, ORDER, PARKED, Authority
from tasks.core.probes.printed import Printed
from tasks.core.shell import quoted

_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def folder_of(authority: Authority) -> str:
    """Of its halves, on a node."""
    return f"{CA_ROTATIONS}/{authority}"


def look(folder: PurePosixPath, authority: Authority) -> str:
    """The command, which changes nothing and prints no key; its output is for `parse`."""
    trust, key, work = TRUST[authority], key_file(authority), folder_of(authority)
    flags = r"\|".join(sorted({flag.rpartition("--")[2] for flag in (*FLAGS[authority], SIGNING_FLAG)}))
    return f"""set -u
cd {quoted(folder)} || exit 0
encoded() {{ base64 -w0; }}
public() {{ openssl pkey -pubout -outform DER 2> /dev/null | encoded; }}
[ ! -e {trust} ] || echo "trusted $(stat -L -c %Y {trust}) $(encoded < {trust})"
[ ! -e {key} ] || echo "signs $(stat -L -c %Y {key}) $(public < {key})"
[ ! -f {SIGNING_FILE} ] || echo "signing $(encoded < {SIGNING_FILE})"
for half in old new; do
  [ ! -e {work}/$half.pem ] || echo "half $half $(encoded < {work}/$half.pem) $(public < {work}/$half.key 2> /dev/null)"
done
for pod in {" ".join(ORDER)}; do
  for file in manifests/$pod.yaml {PARKED}/$pod.yaml; do
    [ -e "$file" ] || continue
    sed -n "s/^ *- --\\({flags}\\)=/flag $pod --\\1 /p" "$file"
    break
  done
done
"""


def parse(node: str, stdout: bytes) -> TrustOnNode:
    """What `look` printed. A half without its own key beside it is none."""
    told = Printed.of(stdout)
    trusted, signs = told.one("trusted").partition(" "), told.one("signs").partition(" ")
    halves = dict(told.pairs("half"))
    return TrustOnNode(
        node=node,
        trusted=halves_in(_decoded(trusted[2])),
        trusted_since=_time(trusted[0]),
        signs=sum_of(_decoded(signs[2])) if signs[2] else "",
        signs_since=_time(signs[0]),
        signing=halves_in(_decoded(told.one("signing"))),
        old=_half(halves.get("old", "")),
        new=_half(halves.get("new", "")),
        flags={f"{pod} {flag}": value for pod, rest in told.pairs("flag") for flag, _, value in [rest.partition(" ")]},
    )


def halves_in(text: bytes) -> tuple[Half, ...]:
    """Of a PEM file with certificates, or with public keys; none where it cannot be read."""
    try:
        certificates = certificates_in(text)
        keys = [load_pem_public_key(block) for block in _PUBLIC_KEY.findall(text)]
    except ValueError:
        return ()
    found = [Half(id=fingerprint_of(one), public_key=public_key_of(one)) for one in certificates]
    sums = (sum_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) for key in keys)
    return (*found, *(Half(id=one, public_key=one) for one in sums))


def lay_down(folder: PurePosixPath, authority: Authority) -> str:
    """Lays down what `halves` has on standard input, and the old key, which the node has, if it signs at all.

    What is there already stays: a second new one is an error.
    """
    work, key = folder_of(authority), key_file(authority)
    return f"""set -eu; umask 077
mkdir -p {CA_ROTATIONS} {work}; chmod 700 {CA_ROTATIONS} {work}
cd {quoted(folder)}
put() {{ sync "$1"; mv -f "$1" "$2"; }}
while read -r name text; do
  printf '%s' "$text" | base64 -d > {work}/$name.new
  if [ ! -e {work}/$name ]; then put {work}/$name.new {work}/$name
  elif cmp -s {work}/$name.new {work}/$name; then rm -f {work}/$name.new
  else rm -f {work}/$name.new; echo "another $name is there already" >&2; exit 1
  fi
done
if [ -e {key} ] && [ ! -e {work}/old.key ]; then cp {key} {work}/old.key.new; put {work}/old.key.new {work}/old.key; fi
sync
"""


def halves(files: Iterable[tuple[str, bytes]]) -> bytes:
    """For `lay_down`: names and contents, a key before its certificate. May have keys in it: it goes by standard input."""
    return b"".join(name.encode() + b" " + base64.b64encode(content) + b"\n" for name, content in files)


def make(
    folder: PurePosixPath, authority: Authority, state: State, *, control_plane: bool, kubeconfigs: Sequence[str]
) -> str:
    """Makes the files of a state of the halves; prints `changed` for each that was another one."""
    trusted, signs = FILES[state]
    work = folder_of(authority)
    lines = [f"put {TRUST[authority]} {' '.join(f'{work}/{half}.pem' for half in trusted)}"]
    if control_plane:
        lines.append(f"put {key_file(authority)} {work}/{signs}.key")
    if authority is Authority.CLUSTER and control_plane:
        if not is_single(authority, state):
            lines += [f"[ -e {SIGNING_FILE} ] || cp -p {TRUST[authority]} {SIGNING_FILE}"]
            lines += [f"put {SIGNING_FILE} {work}/{signs}.pem"]
        lines.append(f"sign_with {quoted(folder)}/{signing_file(authority, state)}")
    if authority is Authority.CLUSTER:
        lines += [f"trust_in {shlex.quote(path)}" for path in kubeconfigs]
    return f"""set -eu; umask 077
cd {quoted(folder)}
{LIKE}
put() {{ # FILE PART...: made of the parts, with the owner and mode that it has
  file=$1; shift
  cat "$@" > {work}/made
  if cmp -s {work}/made "$file"; then rm -f {work}/made; return; fi
  cp {work}/made "$file.kube-runbooks"; rm -f {work}/made; sync "$file.kube-runbooks"
  like "$file.kube-runbooks" "$file"
  echo "changed $file"
}}
trust_in() {{ # KUBECONFIG
  [ -e "$1" ] || return 0
  believe "$1" {TRUST[authority]} "$1.kube-runbooks"
  if cmp -s "$1.kube-runbooks" "$1"; then rm -f "$1.kube-runbooks"; return; fi
  sync "$1.kube-runbooks"
  like "$1.kube-runbooks" "$1"
  echo "changed $1"
}}
sign_with() {{ # FILE: kubelet starts the controller manager anew when its manifest is another one
  manifest=manifests/{CONTROLLERS}.yaml
  [ -e $manifest ] || manifest={PARKED}/{CONTROLLERS}.yaml  # a run died while it was away
  mkdir -p -m 700 {PARKED}
  sed "s|--{SIGNING_FLAG}=.*|--{SIGNING_FLAG}=$1|" $manifest > {PARKED}/made
  if cmp -s {PARKED}/made $manifest; then rm -f {PARKED}/made; return; fi
  sync {PARKED}/made
  like {PARKED}/made $manifest
  echo "changed $manifest"
}}
{chr(10).join(lines)}
sync
"""


def restart_kubelet() -> str:
    """It reads what it believes when it starts; pods go on."""
    return "systemctl restart kubelet\n"


def end(folder: PurePosixPath, authority: Authority, run_id: str) -> str:
    """The rotation is over there: its halves stay, under the name of the run that ended it, for a person to destroy."""
    signing = f"rm -f {quoted(folder)}/{SIGNING_FILE}" if authority is Authority.CLUSTER else ":"
    return f"""set -eu
{signing}
[ ! -d {folder_of(authority)} ] || mv -T {folder_of(authority)} {ended_folder(authority, run_id)}
"""


def ended_folder(authority: Authority, run_id: str) -> str:
    """Where the old half is once nobody believes it any more."""
    return f"{CA_ROTATIONS}/{authority}-ended-{run_id}"


def _half(line: str) -> Half | None:
    text, _, key = line.partition(" ")
    found = halves_in(_decoded(text))
    if len(found) != 1 or (key and sum_of(_decoded(key)) != found[0].public_key):
        return None
    return found[0]


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text else None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
