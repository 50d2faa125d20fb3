"""Lists the rights that a rollout needs, and says which are missing and how they are granted."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tasks.check.models import Right
from tasks.core.models.findings import refused
from tasks.core.models.plan import Refusal
from tasks.nodes.policy.references import References
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.rollback import RESOURCES, ConfigChange

APPS, LEASES = "apps", "coordination.k8s.io"


def rights_to_read(ref: Ref) -> tuple[Right, ...]:
    """Returns what a plan reads of every workload."""
    revisions = "replicasets" if ref.kind is Kind.DEPLOYMENT else "controllerrevisions"
    return (
        _right(ref, "get", ref.kind.plural, APPS, ref.name),
        _right(ref, "list", revisions, APPS),
        _right(ref, "list", "pods"),
        _right(ref, "list", "events"),
        _right(ref, "list", "horizontalpodautoscalers", "autoscaling"),
        _right(ref, "list", "poddisruptionbudgets", "policy"),
    )


def rights_to_act(ref: Ref, lease: str, used: References, *, in_order: bool) -> tuple[Right, ...]:
    """Returns what the lock, the snapshot, the change and its way back need.

    Args:
        ref: the workload
        lease: the name of the Lease that is its lock
        used: ConfigMaps and Secrets that its snapshot keeps
        in_order: it is a StatefulSet that waits for each pod; pods that block its way back are deleted
    """
    return (
        *(_right(ref, verb, ref.kind.plural, APPS, ref.name) for verb in ("patch", "update")),
        *(_right(ref, verb, "leases", LEASES, lease) for verb in ("get", "update")),
        _right(ref, "create", "leases", LEASES),
        *(_right(ref, "get", "configmaps", name=name) for name in used.config_maps),
        *(_right(ref, "get", "secrets", name=name) for name in used.secrets),
        *([_right(ref, "delete", "pods")] if in_order else []),
    )


def rights_on_config(ref: Ref, changes: Iterable[ConfigChange]) -> tuple[Right, ...]:
    """Returns what a rollback needs to bring back ConfigMaps and Secrets. A right to create has no name."""
    rights = (
        _right(ref, "update", RESOURCES[one.kind], name=one.name)
        if one.exists
        else _right(ref, "create", RESOURCES[one.kind])
        for one in changes
    )
    return tuple(dict.fromkeys(rights))


def right_to_try(ref: Ref) -> Right:
    """Returns what the dry run of a pod needs. A rollout works without it."""
    return _right(ref, "create", "pods")


def rights_to_forecast(ref: Ref) -> tuple[Right, ...]:
    """Returns what the forecast of the room for pods reads. A rollout works without it."""
    quotas = _right(ref, "list", "resourcequotas")
    if ref.kind is Kind.DAEMON_SET:
        return (quotas,)
    return quotas, Right(verb="list", resource="nodes"), Right(verb="list", resource="pods")


def _right(ref: Ref, verb: str, resource: str, group: str = "", name: str = "") -> Right:
    return Right(verb=verb, resource=resource, group=group, namespace=ref.namespace, name=name)


def judge_rights(ref: Ref, lacks: Iterable[Right]) -> Iterator[Refusal]:
    """Yields a refusal for each kind of object, with the rule of a Role that grants what is missing."""
    verbs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in lacks:
        verbs[one.group, one.resource].append(one.verb)
    for (group, resource), found in verbs.items():
        names = ", ".join(dict.fromkeys(found))
        kind = f"{resource}.{group}" if group else resource
        rule = f'{{apiGroups: ["{group}"], resources: [{resource}], verbs: [{names}]}}'
        yield refused(
            ref.id,
            f"the user of the run may not {names} {kind} in namespace {ref.namespace}",
            f"bind a Role with this rule to it: {rule}",
        )
