"""Reads all workloads, pods and namespaces, and judges them. Every change that it sends is a dry run."""

from collections.abc import Iterable
from functools import partial

from tasks.clients.kube import AT_ONCE, JSON, KubeClient
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.nodes.policy.owners import owner_of
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.pod_security.models import Namespace, PodSecurity, Workload
from tasks.pod_security.policy.workloads import SYSTEM, could_enforce, images_of, judge, patch_for, shown_patch
from tasks.pod_security.probes.pods import ENFORCE, KINDS, parse_found, parse_namespace

MOST_TRIED = 500
"""Limits how many patches are tried by a dry run; the report says how many were not."""


def look_at_pods(kube: KubeClient, judged: Iterable[Workload | None] | None = None) -> PodSecurity:
    """Judges every workload and every pod without one by the rules of this API server's version, unless they are `judged`.

    What can be fixed is tried by a dry run, and so is the label of each namespace that could enforce more.
    """
    found = _judge_all(kube) if judged is None else judged
    workloads = sorted((one for one in found if one), key=lambda one: one.label)
    fixable = [one for one in workloads if one.can_change and not one.owner and patch_for(one)]
    tried = {one.label: one for one in on_all(partial(_try_fix, kube), fixable[:MOST_TRIED], most=AT_ONCE)}
    read = (parse_namespace(one) for one in kube.items("/api/v1/namespaces"))
    namespaces = [could_enforce(one, workloads) for one in read if one.name not in SYSTEM]
    return PodSecurity(
        workloads=tuple(tried.get(one.label, one) for one in workloads),
        namespaces=tuple(on_all(partial(_try_label, kube), namespaces, most=AT_ONCE)),
        untried=len(fixable[MOST_TRIED:]),
    )


def _judge_all(kube: KubeClient) -> list[Workload | None]:
    minor = read_minor(kube)
    return [
        one
        for name, kind in KINDS.items()
        for one in kube.read_all(f"{kind.group}/{kind.plural}", partial(judge_object, name, minor))
    ]


def read_minor(kube: KubeClient) -> int:
    """Returns the minor version of the API server; raises `NotYet` if it says none that is known."""
    told = outside.Version.read(kube.get("/version"), "the version of the API").git_version
    version = KubernetesVersion.observed(told)
    if version is None:
        raise NotYet(
            f"the version of the API is {told!r}, which is no version of Kubernetes", hint="check what answers there"
        )
    return version.minor


def judge_object(kind: str, minor: int, raw: JSON) -> Workload | None:
    """Judges an object. It returns None if another object makes it, or if it belongs to the cluster itself."""
    found = parse_found(kind, raw)
    if found is None or found.namespace in SYSTEM:
        return None
    owner = owner_of(*found.notes)
    return Workload(
        kind=kind,
        namespace=found.namespace,
        name=found.name,
        path=found.path,
        template=KINDS[kind].template,
        can_change=KINDS[kind].can_change,
        owner=owner.who if owner else "",
        owner_way=owner.way if owner else "",
        images=images_of(found.pod),
        violations=judge(found.pod, minor),
    )


def _try_fix(kube: KubeClient, one: Workload) -> Workload:
    patch = patch_for(one)
    answer = kube.try_patch(one.path, patch, "strategic")
    if answer.is_fine:
        return one.model_copy(update={"fix": shown_patch(patch)})
    return one.model_copy(update={"fix_refused": answer.message})


def _try_label(kube: KubeClient, one: Namespace) -> Namespace:
    """Asks the API server which pods it would refuse. It answers by warnings, and by none if the label is the same."""
    if one.could_enforce.rank <= one.enforces.rank:
        return one
    change = {"metadata": {"labels": {ENFORCE: str(one.could_enforce)}}}
    answer = kube.try_patch(f"/api/v1/namespaces/{one.name}", change)
    if answer.is_fine:
        return one.model_copy(update={"warnings": answer.warnings})
    return one.model_copy(update={"label_refused": answer.message})
