"""Asks the API which rights a run lacks, before it needs them."""

from collections.abc import Sequence

from tasks.check.models import Right
from tasks.check.probes.access import REVIEWS, is_allowed, review_of
from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all
from tasks.nodes.policy.references import References
from tasks.run.object_locks import lease_of
from tasks.workloads.models.names import Ref
from tasks.workloads.policy.rights import rights_to_act, rights_to_read

NOTHING = References((), ())


def lacking(kube: KubeClient, rights: Sequence[Right]) -> tuple[Right, ...]:
    """Returns the rights that the user of the run does not have."""
    allowed = on_all(lambda right: is_allowed(kube.create(REVIEWS, review_of(right))), rights)
    return tuple(right for right, may in zip(rights, allowed, strict=True) if not may)


def cannot_read(kube: KubeClient, ref: Ref) -> tuple[Right, ...]:
    """Returns what is missing to read a workload; with what is missing to change it, if anything is."""
    if lacks := lacking(kube, rights_to_read(ref)):
        return (*lacks, *cannot_act(kube, ref, NOTHING, in_order=False))
    return ()


def cannot_act(kube: KubeClient, ref: Ref, used: References, *, in_order: bool) -> tuple[Right, ...]:
    """Returns what is missing to change a workload, and to put it back."""
    return lacking(kube, rights_to_act(ref, lease_of(ref.workload), used, in_order=in_order))
