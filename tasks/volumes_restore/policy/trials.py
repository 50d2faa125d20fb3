"""Decides the pod of its own in which a check reads claims that were restored beside the old ones, and what the plan says of it."""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tasks.core.models.findings import Finding, Problem, cautioned, listed
from tasks.core.models.plan import Step
from tasks.core.models.profile import VolumeCheck
from tasks.nodes.policy.selectors import selects
from tasks.resources_restore.policy.selection import parse_labels
from tasks.volumes_restore.models.checks import TRIAL, LeftPod, Trial
from tasks.volumes_restore.policy.names import mark_of
from tasks.workloads.models.state import Cause, PodState
from tasks.workloads.policy.causes import causes_in_words, is_final, troubles_of_pod
from tasks.workloads.probes.targets import labels_of, template_of

JSON = dict[str, Any]

OF_POD = (
    "securityContext",
    "serviceAccountName",
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "runtimeClassName",
    "hostUsers",
)
"""Lists what the pod of a check has of the workload's pod: who runs, with which rights, and where."""

OF_CONTAINER = ("image", "imagePullPolicy", "workingDir", "env", "envFrom", "securityContext")
"""Lists what its container has of the workload's container."""

HARMLESS = ("configMap", "secret", "emptyDir", "downwardAPI")
"""Lists the kinds of volumes that it mounts besides restored claims. A projected volume is one, too, if it has no token."""

API_ACCESS = "kube-api-access-"
"""Begins the name of the volume by which each pod gets a token of its ServiceAccount."""

LIMITED = ("cpu", "memory", "ephemeral-storage")
REQUESTS = {"cpu": "10m", "memory": "32Mi"}
"""Is enough for a command that reads files. The requests of the workload may have no room a second time."""

SPARE = timedelta(minutes=10)
"""Is how long the pod may be there after its check has ended at the latest. Then the kubelet stops it, also without a run."""


def trials_of(
    check: VolumeCheck, pods: Sequence[JSON], names: Mapping[str, str], backup: str, start_within: timedelta
) -> list[tuple[Trial, JSON]]:
    """Returns the pods of a check, each with its body: one for each set of restored claims that pods of the workload use.

    Args:
        check: the one of the profile
        pods: those that have its labels, as the API has them; then those that stopped workloads would have
        names: maps the claims of the backup, as NAMESPACE/NAME, to the names of the claims that are restored beside them
        backup: id of the backup
        start_within: how long the pod may take to start
    """
    found: dict[tuple[str, ...], tuple[Trial, JSON]] = {}
    for raw in pods:
        used = _claims(raw, check.namespace) & names.keys()
        if not used or raw.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            continue
        claims = tuple(sorted(used))
        found.setdefault(claims, _trial(check, raw, claims, names, backup, start_within))
    return list(found.values())


def pods_of_templates(check: VolumeCheck, workloads: Sequence[JSON], names: Collection[str]) -> list[JSON]:
    """Returns the pods that workloads would have, also with 0 replicas: of a StatefulSet, one for each ordinal of its claims."""
    selector = parse_labels(check.labels)
    found: list[JSON] = []
    for raw in workloads:
        template, name = template_of(raw), str(raw["metadata"]["name"])
        if isinstance(selector, Problem) or not selects(selector, labels_of(template)):
            continue
        made = [str(one["metadata"]["name"]) for one in raw["spec"].get("volumeClaimTemplates") or ()]
        pattern = re.compile(rf"{check.namespace}/(?:{'|'.join(map(re.escape, made))})-{re.escape(name)}-(\d+)")
        ordinals = sorted({int(each[1]) for one in names if made and (each := pattern.fullmatch(one))})
        for number in ordinals or [0]:
            volumes = [{"name": one, "persistentVolumeClaim": {"claimName": f"{one}-{name}-{number}"}} for one in made]
            spec = template["spec"] | {"volumes": [*(template["spec"].get("volumes") or ()), *volumes]}
            found.append({"metadata": {"name": f"{name}-{number}"}, "spec": spec})
    return found


def _claims(raw: JSON, namespace: str) -> set[str]:
    sources = [one.get("persistentVolumeClaim") for one in raw["spec"].get("volumes") or ()]
    return {f"{namespace}/{one['claimName']}" for one in sources if one}


def _trial(  # noqa: PLR0913, PLR0917 - each is a part of the pod
    check: VolumeCheck,
    raw: JSON,
    claims: tuple[str, ...],
    names: Mapping[str, str],
    backup: str,
    start_within: timedelta,
) -> tuple[Trial, JSON]:
    name = f"kube-runbooks-check-{mark_of(backup, check.namespace, ','.join(claims), check.name)}"
    trial = Trial(check=check, name=name, like=raw["metadata"]["name"], claims=claims)
    there = {one["name"]: one for one in raw["spec"]["containers"]}
    container = there.get(check.container)
    if container is None:
        has = f"there is no container {check.container} to copy, there is {listed(tuple(there))}"
        return trial.model_copy(update={"problem": has}), {}
    volumes, left_out = _volumes(raw["spec"], container, names, check.namespace)
    mounted = [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]
    if not mounted:
        why = f"the container {check.container} mounts none of the claims"
        return trial.model_copy(update={"problem": why}), {}
    lasts = start_within + check.limit + SPARE
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {TRIAL: name.rpartition("-")[2]},
            "annotations": {TRIAL: ",".join(claims)},
        },
        "spec": _spec(raw["spec"], _container(check, container, volumes), volumes, lasts),
    }
    about = {
        "image": container["image"],
        "mounted": tuple(mounted),
        "left_out": tuple(left_out),
        "digest": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
    }
    return trial.model_copy(update=about), body


def _spec(spec: JSON, container: JSON, volumes: Sequence[JSON], lasts: timedelta) -> JSON:
    """Returns the spec. It has nothing by which a pod of the workload is found, started, or given a token."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": int(lasts.total_seconds()),
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **{name: spec[name] for name in OF_POD if name in spec},
        **({"affinity": {"nodeAffinity": affinity}} if affinity else {}),
        "containers": [container],
        "volumes": list(volumes),
    }


def _container(check: VolumeCheck, container: JSON, volumes: Sequence[JSON]) -> JSON:
    known = {one["name"] for one in volumes}
    limits = (container.get("resources") or {}).get("limits") or {}
    mounts = [
        {field: value for field, value in one.items() if field not in {"mountPropagation", "recursiveReadOnly"}}
        for one in container.get("volumeMounts") or ()
    ]
    devices = container.get("volumeDevices") or ()
    return {
        "name": check.container,
        "command": list(check.wait),
        **{name: container[name] for name in OF_CONTAINER if name in container},
        "volumeMounts": [one for one in mounts if one["name"] in known],
        "volumeDevices": [one for one in devices if one["name"] in known],
        "resources": {
            "requests": REQUESTS,
            "limits": {name: value for name, value in limits.items() if name in LIMITED},
        },
    }


def _volumes(spec: JSON, container: JSON, names: Mapping[str, str], namespace: str) -> tuple[list[JSON], list[str]]:
    """Returns the volumes of a container that the pod of a check mounts, and the names of those that it does not."""
    sources = {one["name"]: one for one in spec.get("volumes") or ()}
    places = (*(container.get("volumeMounts") or ()), *(container.get("volumeDevices") or ()))
    kept, left = [], []
    for name in dict.fromkeys(one["name"] for one in places):
        found = _volume(sources[name], names, namespace)
        if found:
            kept.append(found)
        elif not name.startswith(API_ACCESS):
            left.append(name)
    return kept, left


def _volume(source: JSON, names: Mapping[str, str], namespace: str) -> JSON | None:
    """Returns a volume with the restored claim, or a harmless one as it is; None for any other: other claims, folders of the node, tokens."""
    if claim := source.get("persistentVolumeClaim"):
        restored = names.get(f"{namespace}/{claim['claimName']}")
        return {"name": source["name"], "persistentVolumeClaim": claim | {"claimName": restored}} if restored else None
    if projected := source.get("projected"):
        has_token = any(set(one) - {"configMap", "secret", "downwardAPI"} for one in projected.get("sources") or ())
        return None if has_token else source
    return source if any(kind in source for kind in HARMLESS) else None


def findings_of_trials(checks: Sequence[VolumeCheck], trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yields what of the restored data will not be proven, as far as it is known before the restore."""
    for subject, why, next_step in _unproven(checks, trials):
        yield cautioned(subject, f"the data will NOT be proven: {why}", next_step)


def unproven_words(checks: Sequence[VolumeCheck], trials: Sequence[Trial]) -> tuple[str, ...]:
    """Returns the same for the report."""
    return tuple(f"the {subject}: {why}" for subject, why, _ in _unproven(checks, trials))


def _unproven(checks: Sequence[VolumeCheck], trials: Sequence[Trial]) -> Iterator[tuple[str, str, str]]:
    for one in trials:
        if one.problem:
            text = f"no pod can be made for {listed(one.claims)}: {one.problem}"
            yield (
                f"check {one.check.namespace}/{one.check.name}",
                text,
                "correct that, then run this again: it checks again",
            )
    for check in checks:
        if not any(one.check.name == check.name for one in trials):
            who = f"no pod or workload in {check.namespace} with {check.labels}"
            next_step = (
                "create the workload, also with 0 replicas, or correct the labels in volumes.checks of the profile"
            )
            yield (
                f"check {check.namespace}/{check.name}",
                f"{who} uses one of the old claims, so there is none to copy",
                f"{next_step}; then run this again",
            )


def step_of_trial(one: Trial) -> Step:
    """Returns the line of the plan."""
    left = f", without {listed(one.left_out)}" if one.left_out else ""
    return Step(
        subject=f"check {one.check.namespace}/{one.check.name}",
        act=f"make the pod {one.name} with the image {one.image} and {listed(one.mounted)} mounted as in the container "
        f"{one.check.container}{left}; let it run `{shlex.join(one.check.wait)}`, run `{shlex.join(one.check.command)}` in it, and remove it",
        reason="volumes.checks of the profile prove the files by it, while no application runs on them",
    )


def step_of_left(one: LeftPod) -> Step:
    """Returns the line of the plan."""
    reason = f"an interrupted restore of {listed(one.claims)} made it for a check"
    return Step(subject=f"pod {one.id}", act="remove it", reason=reason)


def of_claims(pods: Sequence[LeftPod], claims: Collection[str]) -> tuple[LeftPod, ...]:
    """Returns the pods of checks of these claims, each with the ones that it shares with them.

    Who holds the locks of the claims knows that no other run needs such a pod.
    """
    found = [one.model_copy(update={"claims": tuple(name for name in one.claims if name in claims)}) for one in pods]
    return tuple(one for one in found if one.claims)


def causes_of(pod: PodState, seen_for: Callable[[Cause], timedelta]) -> tuple[str, bool]:
    """Returns why a pod does not start, in words, and whether one of the causes will not go away by itself."""
    found = troubles_of_pod(pod)
    return causes_in_words(found), any(is_final(one, seen_for(one.cause)) for one in found)
