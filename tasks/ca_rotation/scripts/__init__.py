"""Acts of a rotation of a CA on a node: the new one is laid down beside the old one, and files are made of both.

Halves lie in a folder of their own, for root alone. What a node trusts and signs with is made of them, whatever it has now: each
script can be run again at any point, and puts each file in its place in one move.
"""

import base64
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from tasks.ca_rotation.models import ended_folder, folder_of
from tasks.certificates.models.authorities import (
    FILES,
    SIGNING_FILE,
    SIGNING_FLAG,
    TRUST,
    State,
    is_single,
    key_file,
    signing_file,
)
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, PARKED, Authority
from tasks.core.shell import script

RESTART_KUBELET = "systemctl restart kubelet"
"""It reads what it trusts when it starts; pods go on."""


def lay_down(folder: PurePosixPath, authority: Authority) -> str:
    """Lays down what `halves` has on standard input, and the old key, which the node has, if it signs at all.

    What is there already stays: a second new one is an error.
    """
    return script(
        __file__,
        "lay_down",
        folder=folder,
        key=key_file(authority),
        rotations=CA_ROTATIONS,
        halves=folder_of(authority),
    )


def halves(files: Iterable[tuple[str, bytes]]) -> bytes:
    """For `lay_down`: names and contents, a key before its certificate. May have keys in it: it goes by standard input."""
    return b"".join(name.encode() + b" " + base64.b64encode(content) + b"\n" for name, content in files)


def make(
    folder: PurePosixPath, authority: Authority, state: State, *, control_plane: bool, kubeconfigs: Sequence[str]
) -> str:
    """Makes the files of a state of the halves; prints `changed` for each that was another one."""
    trusted, signs = FILES[state]
    told_what_to_sign_with = authority is Authority.CLUSTER and control_plane
    needs_signing_file = told_what_to_sign_with and not is_single(authority, state)
    return script(
        __file__,
        "make",
        folder=folder,
        halves=folder_of(authority),
        trust=TRUST[authority],
        trusted=trusted,
        signs=signs if control_plane else "",
        key=key_file(authority),
        signing_file=SIGNING_FILE if needs_signing_file else "",
        signing_flag=SIGNING_FLAG,
        sign_with=signing_file(authority, state) if told_what_to_sign_with else "",
        kubeconfigs="\n".join(kubeconfigs) if authority is Authority.CLUSTER else "",
        controllers=CONTROLLER_MANAGER,
        parked=PARKED,
    )


def end(folder: PurePosixPath, authority: Authority, run_id: str) -> str:
    """The rotation is over there: its halves stay, under the name of the run that ended it, for a person to destroy."""
    return script(
        __file__,
        "end",
        folder=folder,
        signing_file=SIGNING_FILE if authority is Authority.CLUSTER else "",
        halves=folder_of(authority),
        ended=ended_folder(authority, run_id),
    )
