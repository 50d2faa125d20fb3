"""Takes static pods away from kubelet and gives them back, on several nodes at once.

It moves their manifests, and proves that the processes are gone.
"""

import time
from collections.abc import Sequence
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.control_plane import scripts
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet

STOP_LIMIT = timedelta(minutes=3)
"""Limits how long static pods may take to stop.

kubelet reads manifests every 20 s. An API server finishes its requests for up to a minute.
"""

KUBELET_LIMIT = timedelta(seconds=90)
"""Limits how long `park` waits for kubelet before it ends the processes itself.

A kubelet that has not reached an API server since its own start ends no pod. It does not know which pods it should
have.
"""


def park(handle: Cluster, names: Sequence[str], pods: tuple[str, ...]) -> None:
    """Takes static pods away from kubelet and waits until they are gone.

    kubelet ends them. If it does not, the script sends the processes a signal to end.
    """
    began = time.monotonic()

    def park_on(name: str) -> None:
        end = time.monotonic() - began > KUBELET_LIMIT.total_seconds()
        left = handle.shell(name).run(scripts.park(handle.shape(name), pods, end=end)).strip()
        if left:
            raise NotYet(
                f"{name}: still running: {left}",
                hint=f"check kubelet and the container runtime on {name}: they have to end it",
            )

    about = names[0] if len(names) == 1 else handle.profile.name
    wait_for(lambda: on_all(park_on, names), STOP_LIMIT, what=f"{', '.join(pods)} to stop", about=about)


def unpark(handle: Cluster, names: Sequence[str], pods: tuple[str, ...]) -> None:
    """Gives static pods back to kubelet without waiting until they run."""
    on_all(lambda name: handle.shell(name).run(scripts.unpark(handle.shape(name), pods)), names)
