"""Provides the scripts of a CA rotation on a node. They write the new half beside the old one and make files of both.

Halves are in a folder of their own, only for root. The files that a node trusts and signs with are made of them.
Each script works from any current state, so it can run again at any point. It replaces each file in one move.
"""

import base64
from collections.abc import Iterable, Sequence

from tasks.ca_rotation.models import CaFiles, ended_folder, folder_of
from tasks.certificates.models.authorities import FILES, State, is_single
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import Authority
from tasks.core.probes.yaml_edit import Edit
from tasks.core.shell import script

RESTART_KUBELET = "systemctl restart kubelet"
"""This command restarts the kubelet, which reads the trusted CAs when it starts. Pods keep running."""


def lay_down(files: CaFiles, authority: Authority) -> str:
    """Returns the script that writes the halves on its standard input, and the old key if the node signs.

    What is already there stays. A second new half is an error.
    """
    return script(__file__, "lay_down", key=files.key, rotations=CA_ROTATIONS, halves=folder_of(authority))


def halves(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Returns the standard input for `lay_down`: names and contents, each key before its certificate.

    It may contain keys, so it goes through standard input.
    """
    return b"".join(name.encode() + b" " + base64.b64encode(content) + b"\n" for name, content in files)


def make(files: CaFiles, authority: Authority, state: State, *, control_plane: bool) -> str:
    """Returns the script that makes the files of a state from the halves, and applies the edits on its standard input.

    It prints `changed` for each file that was different.
    """
    trusted, signs = FILES[state]
    needs_signing_file = control_plane and not is_single(authority, state)
    return script(
        __file__,
        "make",
        halves=folder_of(authority),
        trust=files.trust,
        trusted=trusted,
        signs=signs if control_plane else "",
        key=files.key,
        signing=files.signing if needs_signing_file else "",
    )


def edit(path: str, told_sum: str, made: Sequence[Edit], staged: str = "") -> bytes:
    """Returns a line for `make` with the edits of one file.

    `staged` names the file that is written first, on the same file system. If it is empty, that file is beside the edited one.
    """
    pieces = (f"{one.start}:{one.end}:{base64.b64encode(one.text).decode()}" for one in made)
    place = base64.b64encode(staged.encode()).decode() or "-"
    words = (base64.b64encode(path.encode()).decode(), place, told_sum, *pieces)
    return f"edit {' '.join(words)}\n".encode()


def end(files: CaFiles, authority: Authority, run_id: str) -> str:
    """Returns the script that closes the rotation on a node.

    The halves stay under the name of the run that finished it, until a person destroys them.
    """
    return script(
        __file__,
        "end",
        signing=files.signing,
        halves=folder_of(authority),
        ended=ended_folder(authority, run_id),
    )
