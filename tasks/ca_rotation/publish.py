"""Publishes CAs through the API, and waits for what the cluster publishes itself.

The run changes only what no other component writes.
"""

import time
from collections.abc import Sequence
from datetime import timedelta

from tasks.ca_rotation.models import CaRotationPlan, Half, Published, Stage, TrustOnNode
from tasks.ca_rotation.observe import CLUSTER_INFO, EXTENSION, look_at_trust
from tasks.ca_rotation.probes import api
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet
from tasks.core.models.kubeadm import Authority
from tasks.run.locks import Check

PUBLISH_LIMIT = timedelta(minutes=5)
"""Limits the wait until the cluster's own controllers publish what they have read."""

STAYS_OUT = timedelta(seconds=10)
"""After this time a removed CA must still be absent. An API server that has it in memory would restore it."""

ROOT_WRITER = "check the logs of kube-controller-manager: its root-ca-certificate-publisher writes it"

_KEYS = {Authority.CLUSTER: api.CLIENTS, Authority.FRONT_PROXY: api.FRONT_PROXIES}
"""Maps CAs to their keys in extension-apiserver-authentication, which has no other CA."""


def publish_trust(
    handle: Cluster,
    plan: CaRotationPlan,
    check: Check,
    *,
    limit: timedelta = PUBLISH_LIMIT,
    stays_out: timedelta = STAYS_OUT,
) -> Published:
    """Publishes through the API what control plane nodes trust now."""
    handle.kube.close()
    found = look_at_trust(handle, plan.machines[0], plan.authority)
    wanted = tuple(half.id for half in found.trusted)
    changed: list[str] = []
    if plan.authority is Authority.CLUSTER:
        changed += _hand_out_cluster_info(handle, plan, found, check)
    if plan.stage is Stage.DROP_OLD and found.old:
        changed += _drop_from_extension(handle, plan.authority, found.old, check, stays_out)
    waited = wait_for(
        lambda: _handed_out(handle, plan.authority, wanted),
        limit,
        what="the cluster to hand out the CAs that it trusts now",
        about=handle.profile.name,
    )
    return Published(changed=tuple(changed), waited_for=waited)


def _hand_out_cluster_info(handle: Cluster, plan: CaRotationPlan, trust: TrustOnNode, check: Check) -> list[str]:
    found = handle.kube.find(CLUSTER_INFO)
    if found is None or set(api.cluster_info_of(found)) == {half.id for half in trust.trusted}:
        return []
    bundle = handle.node(plan.machines[0]).read_file(trust.files.trust, sudo=True)
    check()
    handle.kube.replace(CLUSTER_INFO, api.with_authorities(found, bundle))
    return ["cluster-info"]


def _drop_from_extension(
    handle: Cluster, authority: Authority, old: Half, check: Check, stays_out: timedelta
) -> list[str]:
    """Removes the old CA after it is proven that no API server has it in memory any more.

    Raises:
        NotYet: if an API server has put it back.
    """
    key = _KEYS.get(authority)
    found = handle.kube.find(EXTENSION)
    if key is None or found is None or old.id not in api.ids_in(api.data_of(found).get(key, "")):
        return []
    check()
    handle.kube.replace(EXTENSION, api.without_authority(found, key, old.id))
    time.sleep(stays_out.total_seconds())
    if old.id in _ids_of_extension(handle, key):
        raise NotYet(
            "an API server has put the old one back into extension-apiserver-authentication",
            hint="find the API server that still runs with the old file: `crictl ps --name kube-apiserver` on each control "
            "plane node shows when it started; restart that one, then run it again",
        )
    return ["extension-apiserver-authentication"]


def _handed_out(handle: Cluster, authority: Authority, wanted: Sequence[str]) -> tuple[str, ...]:
    """Checks what the controller manager and the API servers publish by themselves, and returns the names of it.

    Raises:
        NotYet: until they publish all of it.
    """
    handed: list[str] = []
    if authority is Authority.CLUSTER:
        selector = f"metadata.name={api.ROOT}"
        roots = api.root_cas_of(handle.kube.items("/api/v1/configmaps", fieldSelector=selector))
        if missing := list(api.without_root(handle.kube.items("/api/v1/namespaces"), roots)):
            raise NotYet(f"there is no {api.ROOT} in {', '.join(missing[:10])}", hint=ROOT_WRITER)
        if behind := [name for name, ids in roots.items() if set(ids) != set(wanted)]:
            raise NotYet(
                f"{api.ROOT} is not what it is to be in {', '.join(behind[:10])}",
                hint=ROOT_WRITER,
            )
        handed.append(api.ROOT)
    if key := _KEYS.get(authority):
        if not set(wanted) <= set(_ids_of_extension(handle, key)):
            raise NotYet(
                f"extension-apiserver-authentication has not all of it in {key}",
                hint="check the logs of the API servers, which write it when they start",
            )
        handed.append(key)
    return tuple(handed)


def _ids_of_extension(handle: Cluster, key: str) -> tuple[str, ...]:
    return api.ids_in(api.data_of(handle.kube.find(EXTENSION) or {}).get(key, ""))
