"""Decides what is wrong with the changes themselves, and makes the patch of each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.core.models.findings import listed, refused
from tasks.core.models.plan import Refusal
from tasks.workloads.models.changes import Change
from tasks.workloads.policy.masking import is_secret_name

JSON = dict[str, Any]

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Names the annotation by which kubectl restarts pods."""


def what_is_wrong_with(changes: Sequence[Change]) -> Iterator[Refusal]:
    """Yields what is wrong with the changes, whatever the cluster has."""
    if not changes:
        yield refused("changes", "there is no change", "give at least one: changes=[{namespace, workload, images}]")
    places: dict[str, list[int]] = {}
    for one in changes:
        places.setdefault(one.ref.id, []).append(one.group)
        if one.is_empty:
            yield refused(
                one.ref.id, "nothing is to be changed", "give images, env, requests, limits, replicas or restart"
            )
        for name in one.env:
            if is_secret_name(name.rpartition("/")[2]) and one.env[name] is not None:
                yield refused(
                    one.ref.id,
                    f"env: {name} looks like a secret, and everybody who sees the run sees its value",
                    "put it into a Secret, and refer to the Secret in the template",
                )
    for subject, groups in places.items():
        if len(groups) > 1:
            where = f"group {groups[0]}" if len(set(groups)) == 1 else f"groups {listed([str(one) for one in groups])}"
            yield refused(subject, f"it is named {len(groups)} times, in {where}", "put its changes into one entry")


def unknown_containers(change: Change, containers: Sequence[str]) -> Iterator[Refusal]:
    """Yields what names a container that does not exist, or no container where there are several."""
    has = f"it has {', '.join(containers)}"
    for container in change.images:
        if container not in containers:
            yield refused(change.ref.id, f"images: it has no container {container}", has)
    for field in ("env", "requests", "limits"):
        for name in getattr(change, field):
            container, sign, _ = name.rpartition("/")
            if sign and container not in containers:
                yield refused(change.ref.id, f"{field}: it has no container {container}", has)
            elif not sign and len(containers) > 1:
                step = f"write for example {containers[0]}/{name}; {has}"
                yield refused(
                    change.ref.id, f"{field}: {name} names no container, and there are {len(containers)}", step
                )


def patch_of(change: Change, containers: Mapping[str, str], restarted_at: str) -> JSON:
    """Returns the strategic merge patch of the spec.

    `containers` maps each container to its field in the template, `containers` or `initContainers`.
    """
    parts: dict[str, JSON] = {}

    def part(name: str) -> JSON:
        return parts.setdefault(name, {"name": name})

    for container, image in change.images.items():
        part(container)["image"] = image
    for name, value in change.env.items():
        container, variable = _split(name, containers)
        entry = {"name": variable, "value": value} if value is not None else {"name": variable, "$patch": "delete"}
        part(container).setdefault("env", []).append(entry)
    for field in ("requests", "limits"):
        for name, amount in getattr(change, field).items():
            container, resource = _split(name, containers)
            part(container).setdefault("resources", {}).setdefault(field, {})[resource] = amount
    spec: JSON = {}
    for name, one in parts.items():
        spec.setdefault(containers[name], []).append(one)
    template: JSON = {"spec": spec} if spec else {}
    if change.restart:
        template["metadata"] = {"annotations": {RESTARTED: restarted_at}}
    found: JSON = {"template": template} if template else {}
    return found if change.replicas is None else found | {"replicas": change.replicas}


def _split(name: str, containers: Mapping[str, str]) -> tuple[str, str]:
    container, sign, rest = name.rpartition("/")
    if sign:
        return container, rest
    return next(one for one, field in containers.items() if field == "containers"), name
