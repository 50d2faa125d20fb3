"""Parses a cluster from its nodes, kubeadm-config, and the mirror pods of its static pods."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.kubeadm import API_SERVER, ETCD, SCHEDULER
from tasks.core.models.outside import from_yaml, name_of
from tasks.core.probes.static_pods import flags_of, host_path_of
from tasks.draft.models import Seen, SeenNode

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
KINDS = ("InternalIP", "ExternalIP", "Hostname")
"""Lists the types of addresses, the best first."""

JSON = Mapping[str, Any]


def parse_cluster(server: str, nodes: Iterable[JSON], pods: Sequence[JSON], configuration: JSON | None) -> Seen:
    """Returns everything that the cluster reports.

    Anything that it does not report becomes a problem. The problem says what that means for the profile.
    """
    problems: list[str] = []
    mirrors = {
        component: [one for one in pods if _component(one) == component] for component in (API_SERVER, ETCD, SCHEDULER)
    }
    kubeadm = _kubeadm(configuration, problems)
    if not mirrors[API_SERVER]:
        problems.append(
            "no static pod kube-apiserver in kube-system: nothing says of it where etcd and kubeadm's folder are"
        )
    return Seen(
        nodes=tuple(_node(one) for one in nodes),
        server=server,
        endpoint=kubeadm.control_plane_endpoint,
        folder=_folder(mirrors[SCHEDULER]),
        certificates_dir=kubeadm.certificates_dir,
        external_etcd=_external_etcd(kubeadm, mirrors[API_SERVER], has_pods=bool(mirrors[ETCD])),
        problems=tuple(problems),
    )


def _component(pod: JSON) -> str:
    return outside.Manifest.read(pod, name_of("pod", pod)).metadata.labels.get("component", "")


def _node(raw: JSON) -> SeenNode:
    told = outside.Node.read(raw, name_of("node", raw))
    by_kind = [one.address for kind in KINDS for one in told.status.addresses if one.type == kind]
    return SeenNode(
        name=told.metadata.name,
        address=next(iter(by_kind), ""),
        control_plane=CONTROL_PLANE in told.metadata.labels,
    )


def _kubeadm(configuration: JSON | None, problems: list[str]) -> outside.ClusterConfiguration:
    what = "ConfigMap kube-system/kubeadm-config"
    if configuration is None:
        problems.append(f"there is no {what}: is this a cluster of kubeadm?")
        return outside.ClusterConfiguration()
    try:
        text = outside.ConfigMap.read(configuration, what).data.get("ClusterConfiguration", "")
        return outside.ClusterConfiguration.read(from_yaml(text, what) or {}, f"ClusterConfiguration of {what}")
    except NotYet as error:
        problems.append(error.problem)
        return outside.ClusterConfiguration()


def _folder(schedulers: Sequence[JSON]) -> PurePosixPath | None:
    """Returns the folder on the node that holds the scheduler's kubeconfig, or None.

    kubeadm writes this kubeconfig into its own folder.
    """
    for pod in schedulers:
        text = json.dumps(pod)
        inside = flags_of(text).get("kubeconfig")
        if inside and (place := host_path_of(text, PurePosixPath(inside))):
            return place.parent
    return None


def _external_etcd(
    kubeadm: outside.ClusterConfiguration, api_servers: Sequence[JSON], *, has_pods: bool
) -> tuple[str, ...]:
    """Returns the members that kubeadm-config names.

    If it names none and no member is a static pod, it returns those with which the API servers are configured.
    """
    if named := kubeadm.etcd.external.get("endpoints"):
        return tuple(str(one) for one in named)
    if has_pods:
        return ()
    told = (flags_of(json.dumps(pod)).get("etcd-servers", "") for pod in api_servers)
    return tuple(sorted({url for urls in told for url in urls.split(",") if url}))
