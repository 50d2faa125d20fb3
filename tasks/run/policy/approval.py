"""Decides what an approval of a plan covers, and computes the digest from it.

A field is covered, or it is left out and its model gives the reason (`tasks.core.models.approval`). A field in neither
list is covered, because one question too many harms nobody.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pydantic_core import to_jsonable_python

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model
from tasks.core.models.plan import Caution, Line, Plan, Term
from tasks.core.models.profile import ClusterProfile
from tasks.core.words import duration_as_typed

PlanT = TypeVar("PlanT", bound=Plan)

PARAMETERS: Reasons = {
    "cluster": "an answer is for one cluster",
    "version options worth request route member stage authority": CHOICE,
    "allow_downtime allow_no_quorum any_cordon allow_unhealthy": CHOICE,
    "backup lost from_cluster may_differ replace_healthy rollback confirm restore retention drill pki verify_all": CHOICE,
    "node": "what it is done to",
    "user": "who gets or loses access",
    "namespace namespaces workloads select": "what it is done to, or what is read",
    "sample": CHOICE,
    "registry": "whose credential is brought and rotated",
    "logs": CHOICE,
    "changes": "what is done",
    "to": CHOICE,
    "reason ticket": "they end in annotations and reports, under the name of who approves",
}
"""Lists the parameters of flows that an approval covers."""

PARAMETERS_LEFT_OUT: Reasons = {
    "mode": "it says that there is a question, not what is asked",
    "approve_within": "how long the answer is waited for",
}

_SEPARATORS = frozenset(',;=[]"')
"""Lists the separators in the text of a term.

A text that contains one of them is quoted, so that no two values have the same text.
"""


class Approved(Model):
    """Holds what is stored of a plan that was asked about: hashes, no text.

    It shows later whether another plan is a part of it.
    """

    terms: str
    steps: tuple[str, ...]
    losses: tuple[str, ...]


def settled(plan: PlanT, runbook: str, parameters: Mapping[str, object], profile: ClusterProfile) -> PlanT:
    """Returns the plan with its digest and with the terms under which it was made."""
    whole = plan.model_copy(update={"terms": terms_of(runbook, parameters, profile)})
    return whole.model_copy(update={"digest": digest_of(whole)})


def terms_of(runbook: str, parameters: Mapping[str, object], profile: ClusterProfile) -> tuple[Term, ...]:
    """Returns every parameter and every relevant section of the profile as text; it leaves out what is empty."""
    asked = {name: value for name, value in _filled(parameters).items() if name not in PARAMETERS_LEFT_OUT}
    sections = {f"profile: {name}": value for name, value in covered(profile).items()}
    found = {"runbook": runbook, **asked, **sections}
    return tuple(Term(name=name, value=text) for name, value in found.items() if (text := _in_words(value)))


def digest_of(plan: Plan) -> str:
    """Computes the digest of every covered field of the plan, including those that its kind adds.

    Only the order of steps counts, because cautions follow the order of generated names. A caution that is only a
    figure may be there or not.
    """
    fields = covered(plan.model_copy(update={"cautions": _lasting(plan)}))
    sorted_ones = {name: sorted(fields.get(name, []), key=_hash) for name in ("skips", "cautions", "refusals")}
    return _hash(fields | sorted_ones)


def covered(value: object) -> Any:  # noqa: ANN401 - JSON
    """Returns a value without the fields that are left out, and without what is empty."""
    if isinstance(value, Model):
        fields = {
            name: getattr(value, name) for name in type(value).model_fields if name not in left_out_of(type(value))
        }
        if isinstance(value, Line):
            fields[value.TEXT] = value.basis
        return _filled(fields)
    if isinstance(value, Mapping):
        return _filled(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [covered(one) for one in value]
    if isinstance(value, timedelta):
        return duration_as_typed(value)
    return to_jsonable_python(value, fallback=str)  # paths, and addresses


def left_out_of(model: type[Model]) -> frozenset[str]:
    """Returns the names of the model's left-out fields, including inherited ones."""
    tables = (vars(one).get("LEFT_OUT", {}) for one in model.__mro__)
    return frozenset(name for table in tables for names in table for name in names.split())


def approved_of(plan: Plan) -> Approved:
    """Returns what to store of a settled plan."""
    return Approved(
        terms=_hash(covered(plan.terms)),
        steps=tuple(_hash([step.subject, step.lasting_deed, step.basis]) for step in plan.steps),
        losses=tuple(_hash(one) for one in _losses(plan)),
    )


def is_part_of(plan: Plan, approved: Approved) -> bool:
    """Checks whether all of the plan was approved with an earlier plan.

    That needs the same terms, and no other step, caution or eviction. The order does not matter: the policy sets it. It
    puts the etcd leader last, and the leader changes with every restart.
    """
    made = approved_of(plan)
    others = Counter(made.steps) - Counter(approved.steps)
    return made.terms == approved.terms and not others and not what_is_worse(plan, approved)


def what_is_worse(plan: Plan, approved: Approved) -> tuple[str, ...]:
    """Returns the cautions and evictions that the approved plan did not show."""
    return tuple(told for one, told in _losses(plan).items() if _hash(one) not in approved.losses)


def _losses(plan: Plan) -> dict[str, str]:
    """Returns the cautions and evictions without their figures, each with its full text."""
    return {f"{one.subject}: {one.basis}": f"{one.subject}: {one.problem}" for one in _lasting(plan)} | {
        f"evicts {name}": f"evicts {name}" for name in plan.evicts
    }


def _lasting(plan: Plan) -> tuple[Caution, ...]:
    return tuple(one for one in plan.cautions if not one.is_passing)


def _filled(fields: Mapping[str, object]) -> dict[str, Any]:
    found = {str(name): covered(value) for name, value in fields.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def _in_words(value: object) -> str:
    """Formats a value as `name=value` with dotted names; lists are in brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in _flat(value))
    if isinstance(value, list):
        return "; ".join(_in_words(one) for one in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return json.dumps(text) if _SEPARATORS & set(text) else text


def _flat(fields: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, f"[{_in_words(value)}]" if isinstance(value, list) else _in_words(value)))
    return found


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
