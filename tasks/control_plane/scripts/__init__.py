"""Acts on a control plane node: takes its static pods away from kubelet, and gives them back."""

from pathlib import PurePosixPath

from tasks.control_plane.models import UNIT
from tasks.core.models.shape import NodeShape
from tasks.core.shell import script

GONE_SECONDS = 10
"""Limits how many seconds a script waits before it reports that something still runs."""

DROP_IN = f"/etc/systemd/system/{UNIT}.d/50-kube-runbooks-parked.conf"

TRIES_A_SECOND = 5


def park(shape: NodeShape, pods: tuple[str, ...], *, end: bool = False, seconds: int = GONE_SECONDS) -> str:
    """Takes static pods away from kubelet, or stops etcd's unit.

    It prints those that still run after these seconds. With `end` it sends SIGTERM to their processes.
    """
    return script(__file__, "park", pods=pods, end=end, tries=seconds * TRIES_A_SECOND, **_places(shape))


def unpark(shape: NodeShape, pods: tuple[str, ...]) -> str:
    """Gives static pods back to kubelet and restarts kubelet; gives etcd's unit back to systemd."""
    return script(__file__, "unpark", pods=pods, **_places(shape))


def restart_kubelet() -> str:
    """Restarts kubelet if there is one; a node with etcd alone has none."""
    return script(__file__, "restart_kubelet")


def _places(shape: NodeShape) -> dict[str, PurePosixPath | str]:
    """Returns the folder where kubelet finds static pods, and the parking folder beside it."""
    return {"unit": UNIT, "drop_in": DROP_IN, "manifests": shape.kubelet.manifests, "parked": shape.parked}
