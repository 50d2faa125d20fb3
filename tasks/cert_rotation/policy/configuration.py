"""The configuration that kubeadm renews by, and how long the new leaves are made for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import yaml

from tasks.cert_rotation.policy.san_changes import name_changes, with_names
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import KUBEADM_HOURS, LEAVES
from tasks.core.models.base import Model

MARGIN = timedelta(hours=1)
"""Before the end of its authority that a leaf ends, which kubeadm itself does not look at."""

_NEEDED = ("networking", "controlPlaneEndpoint", "clusterName", "encryptionAlgorithm", "certificateValidityPeriod")


class Lifetime(Model):
    """That new leaves of a node are made for."""

    hours: int = 0
    stuck: bool = False
    """An authority ends before a new leaf would be worth anything."""


def of_certificates(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of kubeadm's configuration that certificates come from; others may be in words of another version."""
    kept = {name: configuration[name] for name in _NEEDED if name in configuration}
    if names := (configuration.get("apiServer") or {}).get("certSANs"):
        kept["apiServer"] = {"certSANs": names}
    etcd = configuration.get("etcd") or {}
    if external := etcd.get("external"):
        kept["etcd"] = {"external": external}
    elif local := {name: part for name, part in (etcd.get("local") or {}).items() if name.endswith("CertSANs")}:
        kept["etcd"] = {"local": local}
    return kept


def for_kubeadm(node: NodeCertificates, configuration: Mapping[str, Any], hours: int) -> str:
    """For kubeadm on that node. Its version is filled in there, as `@VERSION@`, and the folder of its work, as `@FOLDER@`."""
    kept = {leaf: change.kept for leaf, change in name_changes(node, configuration).items()}
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": node.advertises},
            "nodeRegistration": {"name": node.name},
        },
        {
            **with_names(of_certificates(configuration), kept),
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": "@VERSION@",
            "certificatesDir": "@FOLDER@",
            "certificateValidityPeriod": f"{hours}h0m0s",
        },
    ]
    return yaml.safe_dump_all(documents)


def lifetime_of(
    node: NodeCertificates, leaves: Sequence[str], configuration: Mapping[str, Any], now: datetime
) -> Lifetime:
    """As the configuration has it, else as the leaf of now was made; never beyond the end of an authority."""
    found = [one for leaf in leaves if (one := node.named(leaf))]
    wanted = _hours_in(str(configuration.get("certificateValidityPeriod", "")))
    if not wanted and not configuration:
        wanted = min((_hours(one.lifetime) for one in found), default=0)
    wanted = wanted or KUBEADM_HOURS
    lefts = [left_of_authority(node, LEAVES[leaf].authority, now) for leaf in leaves]
    most = min((_hours(left - MARGIN) for left in lefts), default=wanted)
    now_left = max((one.left(now) or timedelta() for one in found), default=timedelta())
    return Lifetime(hours=min(wanted, most), stuck=bool(leaves) and most <= max(_hours(now_left), 0))


def left_of_authority(node: NodeCertificates, authority: str, now: datetime) -> timedelta:
    """Until it ends; of a bundle, until its first one does, by which kubeadm signs."""
    one = node.named(authority)
    return (one.left(now) if one else None) or timedelta()


def _hours(length: timedelta) -> int:
    return int(length / timedelta(hours=1))


def _hours_in(text: str) -> int:
    """Go's `8760h0m0s`; none for anything else."""
    hours = text.partition("h")[0]
    return int(hours) if hours.isdigit() else 0
