"""Pages of etcd's databases: made free, and counted."""

import json
from collections.abc import Mapping
from typing import Any

from tests.servers.etcd import EtcdCluster
from tests.servers.processes import wait_until


def fragment(cluster: EtcdCluster) -> None:
    """Writes 12 MB, deletes and compacts them: the file keeps its size."""
    cluster.seed(3000, 4000, ratio=1, prefix="/fragment/")
    cluster.etcdctl("del", "/fragment/", "--prefix", member=cluster.members[0])
    cluster.etcdctl("compact", str(revision_of(cluster)), "--physical", member=cluster.members[0])
    wait_until(lambda: all(free > 8_000_000 for free in free_of(cluster)), 30.0, "its pages are free")


def statuses(cluster: EtcdCluster) -> dict[str, dict[str, Any]]:
    """etcdctl's own."""
    return {
        member.name: json.loads(cluster.etcdctl("endpoint", "status", "--write-out=json", member=member))[0]["Status"]
        for member in cluster.members
    }


def sizes(cluster: EtcdCluster) -> dict[str, int]:
    """Bytes of each member's file."""
    return {name: int(status["dbSize"]) for name, status in statuses(cluster).items()}


def made_smaller(cluster: EtcdCluster, before: Mapping[str, int]) -> list[str]:
    """The members whose file has fewer bytes than before: they were defragmented. A file may grow by itself."""
    return [name for name, size in sizes(cluster).items() if size < before[name]]


def free_of(cluster: EtcdCluster) -> list[int]:
    """Bytes of free pages."""
    return [int(status["dbSize"]) - int(status["dbSizeInUse"]) for status in statuses(cluster).values()]


def leader_of(cluster: EtcdCluster) -> str:
    """Its name."""
    return next(name for name, status in statuses(cluster).items() if status["leader"] == status["header"]["member_id"])


def revision_of(cluster: EtcdCluster) -> int:
    """The newest."""
    return max(int(status["header"]["revision"]) for status in statuses(cluster).values())
