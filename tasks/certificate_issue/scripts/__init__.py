"""Acts on a machine: it makes its own keys, asks for what they need, and puts in place what it gets.

Private keys of leaves are made on the machine and never leave it. Each script looks at what is there first, so that it can be
run again at any point, and puts a file in place in one move; what was there is copied away before.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from tasks.certificate_issue.models import WORK
from tasks.certificates.models.kubeadm import Leaf
from tasks.core.errors import CommandFailed
from tasks.core.shell import script

BITS = 2048
"""As kubeadm makes them."""

PUBLIC, PRIVATE = "644", "600"
"""Modes, as kubeadm gives them."""


def make_requests(folder: PurePosixPath, leaves: Sequence[Leaf]) -> str:
    """Makes a key for each, where none waits from before, and prints a request by it."""
    names = [leaf.name for leaf in leaves]
    return script(__file__, "make_requests", folder=folder, work=WORK, leaves=names, bits=BITS)


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
    kept = kept_folder(folder, run_id)
    return script(__file__, "put_in_place", folder=folder, work=WORK, kept=kept, public=PUBLIC, private=PRIVATE)


def kept_folder(folder: PurePosixPath, run_id: str) -> str:
    """Where copies of what was replaced are."""
    return str(folder / f"kube-runbooks-before-{run_id}")


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
