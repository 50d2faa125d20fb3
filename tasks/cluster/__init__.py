"""Opens a cluster by name: its profile, and a handle whose clients stay open for the life of the process."""

import atexit
import threading
from pathlib import Path

from tasks.cluster.handle import Cluster
from tasks.core import redaction
from tasks.core.models.profile import ClusterProfile
from tasks.core.profiles import read_profile
from tasks.core.settings import Settings

__all__ = ["Cluster", "close_clusters", "open_cluster"]

_open: dict[tuple[Path, str, ClusterProfile], Cluster] = {}
_opening = threading.Lock()


def open_cluster(name: str) -> Cluster:
    """Returns the handle of a cluster.

    It reads the profile each time. If the profile is unchanged, it returns the same open handle.
    """
    redaction.install()
    folder = Settings().clusters
    profile = read_profile(folder, name)
    with _opening:
        return _open.setdefault((folder, name, profile), Cluster(profile))


def close_clusters() -> None:
    """Closes every connection of every cluster; this also happens when the process exits."""
    with _opening:
        for cluster in _open.values():
            cluster.close()
        _open.clear()


atexit.register(close_clusters)
