"""Finds the claims of a workload: those that its pods name, and those that a StatefulSet made from its templates."""

import re
from collections.abc import Collection
from typing import Any

from tasks.core.models.outside import Outside, name_of

JSON = dict[str, Any]


class _ClaimSource(Outside):
    claim_name: str = ""


class _PodVolume(Outside):
    persistent_volume_claim: _ClaimSource = _ClaimSource()


class _PodSpec(Outside):
    volumes: tuple[_PodVolume, ...] = ()


class _Pods(Outside):
    spec: _PodSpec = _PodSpec()


class _Named(Outside):
    name: str


class _Template(Outside):
    metadata: _Named


class _Spec(Outside):
    template: _Pods = _Pods()
    volume_claim_templates: tuple[_Template, ...] = ()


class _Workload(Outside):
    metadata: _Named
    spec: _Spec = _Spec()


def claims_of(raw: JSON, there: Collection[str]) -> tuple[str, ...]:
    """Returns the names of its claims; `there` has the names of all claims of its namespace."""
    one = _Workload.read(raw, name_of("workload", raw))
    named = [volume.persistent_volume_claim.claim_name for volume in one.spec.template.spec.volumes]
    patterns = [
        re.compile(rf"{re.escape(template.metadata.name)}-{re.escape(one.metadata.name)}-\d+")
        for template in one.spec.volume_claim_templates
    ]
    made = sorted(name for name in there if any(pattern.fullmatch(name) for pattern in patterns))
    return tuple(dict.fromkeys(name for name in (*named, *made) if name))
