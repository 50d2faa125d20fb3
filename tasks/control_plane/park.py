"""Static pods taken away from kubelet and given back, on several machines at once: by their manifests, and proven gone."""

import time
from collections.abc import Sequence
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.control_plane import scripts
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet

STOP_LIMIT = timedelta(minutes=3)
"""kubelet looks at manifests each 20 s, and an API server ends its requests for up to a minute."""

KUBELET_LIMIT = timedelta(seconds=90)
"""A kubelet that has not reached an API server since its own start ends no pod: it does not know which ones it should have."""


def park(handle: Cluster, names: Sequence[str], pods: tuple[str, ...]) -> None:
    """Until they are gone: kubelet ends them, and where it does not, they are told to end."""
    began = time.monotonic()

    def park_on(name: str) -> None:
        end = time.monotonic() - began > KUBELET_LIMIT.total_seconds()
        left = handle.shell(name).run(scripts.park(pods, end=end)).strip()
        if left:
            raise NotYet(
                f"{name}: still running: {left}",
                hint=f"look at kubelet and containerd on {name}: they have to end it",
            )

    wait_for(lambda: on_all(park_on, names), STOP_LIMIT)


def unpark(handle: Cluster, names: Sequence[str], pods: tuple[str, ...]) -> None:
    """Does not wait until they run."""
    on_all(lambda name: handle.shell(name).run(scripts.unpark(pods)), names)
