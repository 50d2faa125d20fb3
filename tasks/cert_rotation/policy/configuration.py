"""Builds the configuration that kubeadm renews with, and decides how long new leaf certificates are valid."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tasks.cert_rotation.models.files import STAGE
from tasks.cert_rotation.policy.san_changes import name_changes, with_names
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import KUBEADM_HOURS, LEAVES
from tasks.core.kubeadm_yaml import dump_all
from tasks.core.models.base import Model

MARGIN = timedelta(hours=1)
"""A leaf certificate expires this long before its CA. kubeadm itself does not check this."""

_NEEDED = ("networking", "controlPlaneEndpoint", "clusterName", "encryptionAlgorithm", "certificateValidityPeriod")


class Lifetime(Model):
    """Describes the lifetime of new leaf certificates on a node."""

    hours: int = 0
    stuck: bool = False
    """True if a CA expires too soon for a new leaf certificate to be of use."""


def of_certificates(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parts of kubeadm's configuration that certificates come from.

    The other parts may be in the format of another version.
    """
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
    """Returns the configuration for kubeadm on this node, for the node's own kubeadm version.

    kubeadm writes the new files to a folder of this project.
    """
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
            "kubernetesVersion": node.kubeadm,
            "certificatesDir": f"{STAGE}/pki",
            "certificateValidityPeriod": f"{hours}h0m0s",
        },
    ]
    return dump_all(documents)


def lifetime_of(
    node: NodeCertificates, leaves: Sequence[str], configuration: Mapping[str, Any], now: datetime
) -> Lifetime:
    """Returns the lifetime of new leaves: that of the configuration, or else that of the current leaf.

    It never goes beyond the expiry of a CA.
    """
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
    """Returns the time until a CA expires. In a bundle, this is its first certificate, with which kubeadm signs.

    It is zero if the CA is unknown.
    """
    one = node.named(authority)
    return (one.left(now) if one else None) or timedelta()


def _hours(length: timedelta) -> int:
    return int(length / timedelta(hours=1))


def _hours_in(text: str) -> int:
    """Parses the hours of a Go duration such as `8760h0m0s`. It returns 0 for anything else."""
    hours = text.partition("h")[0]
    return int(hours) if hours.isdigit() else 0
