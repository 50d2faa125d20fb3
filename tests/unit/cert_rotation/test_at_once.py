"""All control planes at once."""

from tasks.cert_rotation.at_once import rotate_together
from tasks.cert_rotation.models.rotation import NodeRotation
from tasks.core.models.kubeadm import ORDER
from tests.facts.rotation_fleet import Fleet


def test_all_control_planes_at_once_files_first_then_etcd_everywhere() -> None:
    """No API server before etcd is proven on all; the worker's old connections are ended."""
    fleet = Fleet()
    works = [
        fleet.work(NodeRotation(name=name, leaves=("etcd-server", "apiserver", "admin.conf"), restarts=ORDER[:2]))
        for name in ("cp1", "cp2", "cp3")
    ]
    done = rotate_together(works, lambda: fleet.done.append("connections closed"))
    kinds = [what for point in fleet.done if (what := _what(point)) != "asked"]
    assert list(dict.fromkeys(kinds)) == ["begins", "renews", "etcd", "kube-apiserver", "closed", "ends"]
    etcd = [n for n, point in enumerate(fleet.done) if point.startswith("etcd of")]
    servers = [n for n, point in enumerate(fleet.done) if point.startswith("kube-apiserver of")]
    asked_last = max(n for n, point in enumerate(fleet.done) if point == "etcd asked")
    assert max(etcd) < asked_last < min(servers)
    assert {one.node for one in done} == {"cp1", "cp2", "cp3"}
    assert fleet.done.count("connections closed") == 1


def _what(point: str) -> str:
    """`begins` of `cp1 begins`, `etcd` of `etcd of cp1`."""
    first, second, *_ = (*point.split(" "), "")
    return first if second == "of" else second
