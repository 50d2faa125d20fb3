"""Profiles of clusters that are no more than their nodes."""

from typing import Any

from tasks.core.models.profile import ClusterProfile


def profile_of(*nodes: str, **changes: Any) -> ClusterProfile:  # noqa: ANN401 - fields of ClusterProfile
    """prod, with these nodes; nothing is connected to."""
    values = {
        "name": "prod",
        "nodes": [{"name": name, "address": "192.0.2.1"} for name in nodes],
        "ssh": {"user": "ops", "key": "env:NOWHERE", "known_hosts": "/nowhere"},
        "store": {"bucket": "backups"},
    }
    return ClusterProfile.model_validate(values | changes)
