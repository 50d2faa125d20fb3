"""Provides the scripts on a machine: it makes its own keys, requests certificates, and puts in place what it gets.

Private keys of leaves are made on the machine and never leave it.
Each script checks the current state first, so it can run again at any point. It replaces each file in one move.
Before that it copies the previous file away.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from tasks.certificate_issue.models import WORK
from tasks.certificates.models.kubeadm import Leaf
from tasks.core.errors import CommandFailed
from tasks.core.shell import script

BITS = 2048
"""This is the size of new keys in bits, as in kubeadm."""

PUBLIC, PRIVATE = "644", "600"
"""These are the file modes that kubeadm uses."""


def make_requests(folder: PurePosixPath, leaves: Sequence[Leaf]) -> str:
    """Returns the script that makes a key for each leaf and prints a request for it.

    A key that already waits is used again.
    """
    names = [leaf.name for leaf in leaves]
    return script(__file__, "make_requests", folder=folder, work=WORK, leaves=names, bits=BITS)


def parse_requests(node: str, stdout: bytes, leaves: Iterable[Leaf]) -> dict[str, bytes]:
    """Maps each leaf to its request (PEM).

    Raises:
        CommandFailed: if a request is missing.
    """
    lines = [line.split(" ") for line in stdout.decode(errors="replace").splitlines()]
    found = {words[1]: base64.b64decode(words[2]) for words in lines if words[:1] == ["request"] and len(words) > 2}  # noqa: PLR2004 - three words
    if missing := [leaf.name for leaf in leaves if not found.get(leaf.name)]:
        raise CommandFailed(f"{node}: openssl made no request for {', '.join(missing)}", hint="check openssl there")
    return found


def put_in_place(folder: PurePosixPath, run_id: str) -> str:
    """Returns the script that puts the files on its standard input in place.

    The input consists of lines from `whole_file`, `certificate_of` and `kubeconfig_of`.
    It prints `written PATH` for each file, and `kept FOLDER` if it kept a copy of something older.
    """
    kept = kept_folder(folder, run_id)
    return script(__file__, "put_in_place", folder=folder, work=WORK, kept=kept, public=PUBLIC, private=PRIVATE)


def kept_folder(folder: PurePosixPath, run_id: str) -> str:
    """Returns the folder with copies of what was replaced."""
    return str(folder / f"kube-runbooks-before-{run_id}")


def whole_file(path: str, content: bytes, mode: str) -> bytes:
    """Returns a line for `put_in_place` with a complete file.

    The file may be a key, so the line goes through standard input and nowhere else.
    """
    return b" ".join([b"file", mode.encode(), path.encode(), base64.b64encode(content)]) + b"\n"


def certificate_of(leaf: Leaf, certificate: bytes) -> bytes:
    """Returns a line for `put_in_place` with a certificate whose key waits on the machine."""
    return f"certificate {leaf.name} {leaf.path} ".encode() + base64.b64encode(certificate) + b"\n"


def kubeconfig_of(leaf: Leaf, certificate: bytes, authority: bytes) -> bytes:
    """Returns a line for `put_in_place` with a kubeconfig as kubeadm writes it, up to its key.

    The machine appends the key.
    """
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
    """Returns the files that were `written`, and the folders in which copies were `kept`."""
    lines = [line.partition(" ") for line in stdout.decode(errors="replace").splitlines()]
    return {kind: tuple(rest for word, _, rest in lines if word == kind) for kind in ("written", "kept")}
