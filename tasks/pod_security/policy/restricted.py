"""Says what the level restricted wants beyond baseline: a pod that gives up what it does not need."""

from collections.abc import Iterator

from tasks.pod_security.models import Level, Violation
from tasks.pod_security.policy.fields import Judged, violation

VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
"""Lists the types of volumes that a restricted pod may have."""

ALL, BIND = "ALL", "NET_BIND_SERVICE"


def volumes(judged: Judged) -> Iterator[Violation]:
    """Yields volumes of other types; a volume without a type is an empty folder."""
    for one in judged.spec.volumes:
        kinds = [name for name, value in one.items() if name != "name" and value is not None]
        if others := [name for name in kinds if name not in VOLUMES]:
            path = f"spec.volumes[{one.get('name', '')}]"
            yield _restricted("restricted volume types", path, ", ".join(others), "use another type of volume")


def privilege_escalation(judged: Judged) -> Iterator[Violation]:
    """Yields containers whose processes may gain rights. Without a value they may."""
    if judged.is_windows:
        return
    for place in judged.containers:
        if place.context.allow_privilege_escalation is not False:
            path, seen = place.field("allowPrivilegeEscalation"), place.context.allow_privilege_escalation
            yield _restricted("allowPrivilegeEscalation != false", path, seen, "set false", "false")


def non_root(judged: Judged) -> Iterator[Violation]:
    """Yields pods and containers that may run as root. A container without a value has the pod's."""
    if judged.has_own_users:
        return
    check, own = "runAsNonRoot != true", judged.own.context.run_as_non_root
    if own is False:
        yield _restricted(check, judged.own.field("runAsNonRoot"), own, "set true", "true")
    for place in judged.containers:
        value = place.context.run_as_non_root
        if value is False or (value is None and own is None):
            yield _restricted(check, place.field("runAsNonRoot"), value, "set true", "true")


def root_user(judged: Judged) -> Iterator[Violation]:
    """Yields pods and containers that run as the user 0 by their own choice."""
    if judged.has_own_users:
        return
    for place in judged.places:
        if place.context.run_as_user == 0:
            yield _restricted("runAsUser=0", place.field("runAsUser"), 0, "set another user, or leave it out")


def seccomp(judged: Judged) -> Iterator[Violation]:
    """Yields containers whose system calls nobody filters. A container without a profile has the pod's."""
    if judged.is_windows:
        return
    own = judged.own.context.seccomp_profile
    if own is not None:
        return
    for place in judged.containers:
        if place.context.seccomp_profile is None:
            path = place.field("seccompProfile.type")
            yield _restricted("seccompProfile", path, None, "set RuntimeDefault", '"RuntimeDefault"')


def capabilities(judged: Judged) -> Iterator[Violation]:
    """Yields containers that keep capabilities."""
    if judged.is_windows:
        return
    for place in judged.containers:
        drop = place.context.capabilities.drop if place.context.capabilities else ()
        add = place.context.capabilities.add if place.context.capabilities else ()
        if ALL not in drop:
            path, seen = place.field("capabilities.drop"), ", ".join(drop)
            yield _restricted("unrestricted capabilities", path, seen, f"drop {ALL}", f'["{ALL}"]')
        if more := [one for one in add if one != BIND]:
            path = place.field("capabilities.add")
            yield _restricted("unrestricted capabilities", path, ", ".join(add), f"leave out {', '.join(more)}")


def proc_mount(judged: Judged) -> Iterator[Violation]:
    """Yields containers that see all of /proc, also in a user namespace of their own, where baseline allows it."""
    for place in judged.containers:
        if place.context.proc_mount not in {"", "Default"}:
            path = place.field("procMount")
            yield _restricted("procMount", path, place.context.proc_mount, "set Default", '"Default"')


def _restricted(check: str, path: str, seen: object, need: str, fix: str = "") -> Violation:
    return violation(check, path, seen, need, fix).model_copy(update={"level": Level.RESTRICTED})
