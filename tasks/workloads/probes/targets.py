"""Parses what a rollout has to know about a workload before it changes it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.nodes.models.pods import Budget
from tasks.nodes.probes.pods import parse_budget
from tasks.workloads.models.names import Ref
from tasks.workloads.models.rollout import ROLLOUT, Mark
from tasks.workloads.probes.templates import checked_template

JSON = Mapping[str, Any]


def template_of(raw: JSON) -> dict[str, Any]:
    """Returns the pod template of a workload as the API has it."""
    what = name_of("workload", raw)
    return checked_template(outside.Templated.read(raw, what).spec.template, what)


def containers_of(template: JSON) -> dict[str, str]:
    """Maps the name of each container to its field in the template."""
    spec = template.get("spec") or {}
    return {str(one.get("name")): field for field in ("containers", "initContainers") for one in spec.get(field) or []}


def labels_of(template: JSON) -> dict[str, str]:
    """Returns the labels of the pods."""
    return dict((template.get("metadata") or {}).get("labels") or {})


def parse_mark(raw: JSON) -> Mark | None:
    """Returns the mark of the rollout that changed the workload last; None if there is none that can be parsed."""
    text = outside.Rolled.read(raw, name_of("workload", raw)).metadata.annotations.get(ROLLOUT, "")
    try:
        return Mark.model_validate(json.loads(text)) if text else None
    except (ValueError, ValidationError):
        return None


def scaler_of(ref: Ref, raw: Iterable[JSON]) -> JSON | None:
    """Returns the HorizontalPodAutoscaler that sets the replicas of the workload; None if nothing does."""
    for one in raw:
        target = outside.Scaler.read(one, name_of("HorizontalPodAutoscaler", one)).spec.scale_target_ref
        if (target.kind, target.name) == (ref.kind.title, ref.name):
            return one
    return None


def parse_budgets(raw: Iterable[JSON]) -> tuple[Budget, ...]:
    """Parses PodDisruptionBudgets."""
    return tuple(parse_budget(one) for one in raw)


def trial_pod(raw: JSON) -> dict[str, Any]:
    """Returns a pod of the template, to be tried by a dry run.

    The volumes of a StatefulSet's claims are not in its template; an empty one takes the place of each.
    """
    template, told = template_of(raw), outside.Templated.read(raw, name_of("workload", raw))
    metadata = template.get("metadata") or {}
    claims = [one.metadata.name for one in told.spec.volume_claim_templates]
    pod = dict(template.get("spec") or {})
    pod["volumes"] = [*(pod.get("volumes") or []), *({"name": name, "emptyDir": {}} for name in claims)]
    kept = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{told.metadata.name}-"} | kept,
        "spec": pod,
    }
