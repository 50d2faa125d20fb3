"""Compares findings with the policy's acceptances and with the previous audit."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from tasks.access.models.audit import Finding
from tasks.access.models.policy import Accepted


def accept(findings: Iterable[Finding], accepted: Sequence[Accepted], *, today: date) -> tuple[Finding, ...]:
    """Returns the findings, with the reason of each that the policy accepts.

    An acceptance that has expired accepts nothing, and the finding says so.
    """
    known = {one.finding: one for one in accepted}
    return tuple(_accepted(one, known.get(one.id), today) for one in findings)


def unused(findings: Iterable[Finding], accepted: Iterable[Accepted]) -> tuple[str, ...]:
    """Returns the ids that the policy accepts and that no finding has."""
    found = {one.id for one in findings}
    return tuple(one.finding for one in accepted if one.finding not in found)


def compare(findings: Sequence[Finding], previous: frozenset[str]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Returns the findings with a mark at each that is new, and the ids of those that are gone."""
    marked = tuple(one.model_copy(update={"is_new": one.id not in previous}) for one in findings)
    return marked, tuple(sorted(previous - {one.id for one in findings}))


def ids_in(evidence: Mapping[str, Any]) -> frozenset[str] | None:
    """Returns the ids of the findings in the report of an audit; None if the report has none.

    The report may be one of another version.
    """
    findings = evidence.get("findings")
    if not isinstance(findings, list):
        return None
    return frozenset(str(one["id"]) for one in findings if isinstance(one, dict) and "id" in one)


def _accepted(finding: Finding, by: Accepted | None, today: date) -> Finding:
    if by is None:
        return finding
    if by.expires < today:
        problem = f"{finding.problem}; the policy accepted it until {by.expires}"
        return finding.model_copy(update={"problem": problem})
    return finding.model_copy(update={"accepted": f"{by.reason} (until {by.expires})"})
