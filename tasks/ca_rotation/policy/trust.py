"""Defines the tables of a CA rotation: the state of a node, the states that may follow, and the readers of its files."""

from collections.abc import Iterable

from tasks.ca_rotation.models import Half, Stage, TrustOnNode
from tasks.certificates.models.authorities import FILES, NEW, OLD, Files, State
from tasks.certificates.models.kubeadm import READERS
from tasks.core.models.kubeadm import ORDER, SCHEDULER, Authority

AFTER = {Stage.TRUST_BOTH: State.BOTH, Stage.SIGN_WITH_NEW: State.NEW_SIGNS, Stage.DROP_OLD: State.ONLY_NEW}
"""Maps each stage to the state of a node on which it is finished."""

FROM = {
    Stage.TRUST_BOTH: (State.ONLY_OLD, State.BOTH, State.BETWEEN, State.NEW_SIGNS),
    Stage.SIGN_WITH_NEW: (State.BOTH, State.BETWEEN, State.NEW_SIGNS, State.ONLY_NEW),
    Stage.DROP_OLD: (State.NEW_SIGNS, State.ONLY_NEW),
}
"""Maps each stage to the states from which it may begin or resume. From the last state of each, it is the way back."""

BEFORE = {Stage.TRUST_BOTH: None, Stage.SIGN_WITH_NEW: Stage.TRUST_BOTH, Stage.DROP_OLD: Stage.SIGN_WITH_NEW}
"""Maps each stage to the one that must be proven on every node before it begins."""


def readers_of(authority: Authority) -> tuple[str, ...]:
    """Returns the static pods that read the CA file, or a kubeconfig with it, when they start.

    They are in the order of their restart.
    """
    found = {*READERS[authority], *((SCHEDULER,) if authority is Authority.CLUSTER else ())}
    return tuple(pod for pod in ORDER if pod in found)


def state_of(node: TrustOnNode, old: Half, new: Half | None) -> State:
    """Returns the state of a node between the old and the new half."""
    trusted = tuple(half.id for half in node.trusted)
    known = {old.id: OLD} | ({new.id: NEW} if new else {})
    if not trusted or not set(trusted) <= set(known):
        return State.FOREIGN
    if node.files.key and not node.signs:
        return State.BROKEN  # it has to have a key, and none was found or read
    names = tuple(known[one] for one in trusted)
    signs = {old.public_key: OLD, new.public_key if new else "": NEW}.get(node.signs, "") if node.signs else names[0]
    if signs not in names:
        return State.BROKEN if signs else State.FOREIGN
    exact = (state for state, files in FILES.items() if files == Files(names, signs))
    return next(exact, State.BETWEEN)


def halves_of(control_planes: Iterable[TrustOnNode]) -> tuple[Half | None, Half | None]:
    """Returns the old and the new half, as a rotation has written them to the nodes.

    Before a rotation has begun, the trusted half is the old one.
    """
    nodes = list(control_planes)
    old = next((node.old for node in nodes if node.old), None)
    new = next((node.new for node in nodes if node.new), None)
    return old or next((node.trusted[0] for node in nodes if node.trusted), None), new
