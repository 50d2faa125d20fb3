"""Decides which findings have a cause that another finding has already.

A missing file makes many checks fail. It is told once; what depends on it was not checked.
"""

from collections.abc import Sequence

from tasks.check.models import Finding, State

_BROKEN = (State.FAIL, State.NOT_CHECKED)


def told_once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Returns the findings in their order. One that does not work, and whose need does not work either, becomes a skip.

    It says `not checked` and the cause. A finding whose need is not among the findings stays as it is.
    """
    judged: list[Finding] = []
    causes: dict[str, str] = {}
    for one in findings:
        cause = _cause_of(one, judged, causes)
        if cause:
            causes[one.name] = cause
        skipped = {"state": State.NOT_CHECKED, "told": f"not checked: {cause}", "fix": ""}
        judged.append(one.model_copy(update=skipped) if cause else one)
    return tuple(judged)


def _cause_of(one: Finding, earlier: Sequence[Finding], causes: dict[str, str]) -> str:
    """Returns the cause of the first need that does not work; empty if this finding needs nothing broken."""
    if one.state is State.OK:
        return ""
    for need in one.needs:
        found = [other for other in earlier if need in {other.name, other.area}]
        if found and all(other.state in _BROKEN for other in found):
            first = found[0]
            return causes.get(first.name) or _in_words(first)
    return ""


def _in_words(finding: Finding) -> str:
    """Returns what is wrong, with its place once."""
    return finding.told if finding.area == "keys" else f"{finding.name}: {finding.told}"
