"""What the API hands out of CAs: changed where nobody else does it, and waited for where the cluster does it itself."""

import time
from collections.abc import Sequence
from datetime import timedelta

from tasks.ca_rotation.models import CaRotationPlan, Half, Published, Stage
from tasks.ca_rotation.observe import CLUSTER_INFO, EXTENSION, look_at_trust
from tasks.ca_rotation.probes import api
from tasks.certificates.models.authorities import TRUST
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet
from tasks.core.models.kubeadm import Authority
from tasks.run.locks import Check

PUBLISH_LIMIT = timedelta(minutes=5)
"""For the cluster's own controllers to hand out what they have read."""

STAYS_OUT = timedelta(seconds=10)
"""After which what was taken out has to be out still: an API server that has it in memory would put it back."""

_KEYS = {Authority.CLUSTER: api.CLIENTS, Authority.FRONT_PROXY: api.FRONT_PROXIES}
"""Of extension-apiserver-authentication, which has no other CA."""


def publish_trust(
    handle: Cluster,
    plan: CaRotationPlan,
    check: Check,
    *,
    limit: timedelta = PUBLISH_LIMIT,
    stays_out: timedelta = STAYS_OUT,
) -> Published:
    """What control planes trust now is what the API hands out to others."""
    handle.kube.close()
    found = look_at_trust(handle, plan.machines[0], plan.authority)
    wanted = tuple(half.id for half in found.trusted)
    changed: list[str] = []
    if plan.authority is Authority.CLUSTER:
        changed += _hand_out_cluster_info(handle, plan, wanted, check)
    if plan.stage is Stage.DROP_OLD and found.old:
        changed += _drop_from_extension(handle, plan.authority, found.old, check, stays_out)
    waited = wait_for(lambda: _handed_out(handle, plan.authority, wanted), limit)
    return Published(changed=tuple(changed), waited_for=waited)


def _hand_out_cluster_info(handle: Cluster, plan: CaRotationPlan, wanted: Sequence[str], check: Check) -> list[str]:
    found = handle.kube.find(CLUSTER_INFO)
    if found is None or set(api.cluster_info_of(found)) == set(wanted):
        return []
    path = handle.profile.kubeadm.folder / TRUST[plan.authority]
    bundle = handle.node(plan.machines[0]).read_file(path, sudo=True)
    check()
    handle.kube.replace(CLUSTER_INFO, api.with_authorities(found, bundle))
    return ["cluster-info"]


def _drop_from_extension(
    handle: Cluster, authority: Authority, old: Half, check: Check, stays_out: timedelta
) -> list[str]:
    """Once no API server has it in memory any more, which is proven by now."""
    key = _KEYS.get(authority)
    found = handle.kube.get(EXTENSION)
    if key is None or old.id not in api.ids_in(api.data_of(found).get(key, "")):
        return []
    check()
    handle.kube.replace(EXTENSION, api.without_authority(found, key, old.id))
    time.sleep(stays_out.total_seconds())
    if old.id in _ids_of_extension(handle, key):
        raise NotYet(
            "an API server has put the old one back into extension-apiserver-authentication", hint="look which"
        )
    return ["extension-apiserver-authentication"]


def _handed_out(handle: Cluster, authority: Authority, wanted: Sequence[str]) -> tuple[str, ...]:
    """What the controller manager and API servers hand out by themselves; `NotYet` until they do."""
    handed: list[str] = []
    if authority is Authority.CLUSTER:
        selector = f"metadata.name={api.ROOT}"
        roots = api.root_cas_of(handle.kube.items("/api/v1/configmaps", fieldSelector=selector))
        if behind := [name for name, ids in roots.items() if set(ids) != set(wanted)]:
            raise NotYet(
                f"{api.ROOT} is not what it is to be in {', '.join(behind[:10])}",
                hint="look at the controller manager",
            )
        handed.append(api.ROOT)
    if key := _KEYS.get(authority):
        if not set(wanted) <= set(_ids_of_extension(handle, key)):
            raise NotYet(
                f"extension-apiserver-authentication has not all of it in {key}", hint="look at the API servers"
            )
        handed.append(key)
    return tuple(handed)


def _ids_of_extension(handle: Cluster, key: str) -> tuple[str, ...]:
    return api.ids_in(api.data_of(handle.kube.get(EXTENSION)).get(key, ""))
