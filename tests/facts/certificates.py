"""Certificates as the policies see them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.certificates.models.inventory import (
    Certificate,
    Inventory,
    Kind,
    NodeCertificates,
    Process,
    PublicKey,
    Served,
)
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.models.places import Places
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.certificates import parse
from tasks.core.models.kubeadm import ORDER
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.probes.printed import Printed
from tests.facts.shapes import shape_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MADE = NOW - timedelta(days=300)
STARTED = NOW - timedelta(days=10)
FOLDER = "/etc/kubernetes"
RECORDED = Path(__file__).parents[1] / "unit" / "data" / "certificates"
"""What nodes have printed."""

PLACES = Places(folder=PurePosixPath(FOLDER), shape=shape_of(pods={}))
COPIES = tuple(KubeconfigCopy(path=PurePosixPath(f"{FOLDER}/copies/{name}")) for name in ("config", "none"))
"""That the profile of a recorded node had."""

ASKED = datetime(2026, 11, 25, 2, tzinfo=UTC)
"""When they were."""


def certificate(name: str, node: str = "cp1", *, days: float = 200, **changes: Any) -> Certificate:  # noqa: ANN401
    """One of kubeadm's, that ends in so many days."""
    made = LEAVES.get(name)
    path = f"{FOLDER}/{made.file if made else AUTHORITIES.get(name, name)}"
    if name in {"kubelet-client", "kubelet-serving"}:
        path = f"/var/lib/kubelet/pki/{name}-current.pem"
    end = NOW + timedelta(days=days)
    values: dict[str, Any] = {
        "node": node,
        "path": path,
        "kind": made.kind if made else Kind.AUTHORITY if name in AUTHORITIES else Kind.CLIENT,
        "name": name,
        "subject": f"CN={name}",
        "serial": f"{abs(hash((name, node))) % 10**6:X}",
        "not_before": end - timedelta(days=365),
        "not_after": end,
        "days_left": int(days),
        "fingerprint": f"{name}@{'all' if name in AUTHORITIES else node}",
        "pair": True,
        "signed": None if name in AUTHORITIES else True,
        "self_signed": name in AUTHORITIES,
        "authority": f"{FOLDER}/{AUTHORITIES[made.authority]}" if made else "",
        "written_at": MADE,
    }
    return Certificate(**values | changes)


def control_plane(name: str = "cp1", *, days: float = 200, ca_days: float = 3000, **changes: Any) -> NodeCertificates:  # noqa: ANN401
    """With all of kubeadm's leaves, which all end in so many days, and serve them."""
    leaves = {leaf: certificate(leaf, name, days=days) for leaf in LEAVES}
    certificates = [*leaves.values(), *(certificate(one, name, days=ca_days) for one in AUTHORITIES)]
    certificates.append(certificate("kubelet-client", name))
    processes = {pod: Process(name=pod, started_at=STARTED, container=f"{pod}-1") for pod in (*ORDER, "kubelet")}
    wire = ((6443, "kube-apiserver", "apiserver"), (2379, "etcd", "etcd-server"), (2380, "etcd", "etcd-peer"))
    values: dict[str, Any] = {
        "name": name,
        "observed_at": NOW,
        "hostname": name,
        "addresses": (f"10.0.0.{name[-1]}",),
        "certificates": tuple(certificates),
        "advertises": f"10.0.0.{name[-1]}",
        "public_keys": (
            PublicKey(path="sa.pub", public_key="s"),
            PublicKey(path="sa.key", public_key="s", private=True),
        ),
        "served": tuple(
            Served(port=port, name=pod, path=leaves[leaf].path, certificate=leaves[leaf], process=processes[pod])
            for port, pod, leaf in wire
        ),
        "processes": tuple(processes.values()),
        "manifests": dict.fromkeys(ORDER, "active"),
        "kubeadm": "v1.37.2",
    }
    return NodeCertificates(**values | changes)


def worker(name: str = "w1", *, days: float = 200) -> NodeCertificates:
    """Its kubelet's, and the cluster's authority."""
    certificates = (certificate("ca", name, days=3000, pair=None), certificate("kubelet-client", name, days=days))
    return NodeCertificates(
        name=name, observed_at=NOW, hostname=name, addresses=(f"10.0.1.{name[-1]}",), certificates=certificates
    )


def changed(node: NodeCertificates, leaf: str, **changes: Any) -> NodeCertificates:  # noqa: ANN401
    """The same node, with one certificate that is another."""
    return node.model_copy(
        update={
            "certificates": tuple(
                one.model_copy(update=changes) if one.name == leaf else one for one in node.certificates
            )
        }
    )


def inventory(*nodes: NodeCertificates, **changes: Any) -> Inventory:  # noqa: ANN401
    """At one moment."""
    return Inventory(**{"observed_at": NOW, "nodes": nodes} | changes)


def recorded(name: str) -> NodeCertificates:
    """A node that was asked."""
    told = (RECORDED / f"{name}.txt").read_bytes()
    config = decoded(Printed.of(told).one("kubelet_config")).decode()
    places = PLACES.model_copy(update={"shape": shape_of(pods={}, config=config)})
    return parse("cp1", told, places, COPIES, now=ASKED)
