"""Acts on a control plane node: its static pods are taken away from kubelet, and given back."""

from tasks.control_plane.models import UNIT
from tasks.core.models.kubeadm import MANIFESTS, PARKED
from tasks.core.shell import script

GONE_SECONDS = 10
"""That a script waits before it answers that something still runs."""

DROP_IN = f"/etc/systemd/system/{UNIT}.d/50-kube-runbooks-parked.conf"

TRIES_A_SECOND = 5
_PLACES = {"unit": UNIT, "drop_in": DROP_IN, "manifests": MANIFESTS, "parked": PARKED}


def park(pods: tuple[str, ...], *, end: bool = False, seconds: int = GONE_SECONDS) -> str:
    """Takes static pods away from kubelet, or stops etcd's unit; prints those that still run after these seconds.

    With `end` their processes are told to end, by SIGTERM.
    """
    return script(__file__, "park", pods=pods, end=end, tries=seconds * TRIES_A_SECOND, **_PLACES)


def unpark(pods: tuple[str, ...]) -> str:
    """Gives static pods back to kubelet, which is restarted with it, and etcd's unit to systemd."""
    return script(__file__, "unpark", pods=pods, **_PLACES)


def restart_kubelet() -> str:
    """Where there is one: a machine with etcd alone has none."""
    return script(__file__, "restart_kubelet")
