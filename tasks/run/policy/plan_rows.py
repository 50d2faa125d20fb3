"""Arranges a plan for people: one row a node with its parts, and equal lines of several nodes as one row."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasks.core.models.plan import Plan, Step


class Part(NamedTuple):
    """Describes actions on one node that have the same reason."""

    acts: str
    reason: str


class PlanRow(NamedTuple):
    """Describes a row of a plan. `parts` is empty for a row that is no change."""

    kind: str
    nodes: str
    action: str
    reason: str
    parts: tuple[Part, ...] = ()


def plan_rows(plan: Plan) -> tuple[PlanRow, ...]:
    """Returns all rows of a plan: changes, skips, cautions, refusals and evictions."""
    evicted = "its pods are on a node that is drained"
    return (
        *_changes(plan.steps),
        *_equal("skip", ((skip.subject, "", skip.reason) for skip in plan.skips)),
        *_equal("caution", ((one.subject, one.next_step, one.problem) for one in plan.cautions)),
        *_equal("refusal", ((one.subject, one.next_step, one.problem) for one in plan.refusals)),
        *(PlanRow("evict", name, "", evicted) for name in plan.evicts),
    )


def _changes(steps: Iterable[Step]) -> Iterable[PlanRow]:
    of_nodes: dict[str, dict[str, list[str]]] = {}
    for step in steps:
        of_nodes.setdefault(step.subject, {}).setdefault(step.reason, []).append(step.act)
    for node, reasons in of_nodes.items():
        parts = tuple(Part(_together(acts), reason) for reason, acts in reasons.items())
        yield PlanRow("change", node, _numbered(part.acts for part in parts), _numbered(reasons), parts)


def _numbered(texts: Iterable[str]) -> str:
    """Joins texts with numbers, by which the actions and the reasons of a row find each other."""
    found = list(texts)
    return "; ".join(f"({number}) {text}" for number, text in enumerate(found, 1)) if found[1:] else found[0]


def _together(acts: Sequence[str]) -> str:
    """Joins actions, and says their common verb (`renew a, b`) or their common end (`a, b: a new key`) only once."""
    verbs, heads = [act.partition(" ") for act in acts], [act.partition(": ") for act in acts]
    plain = acts[1:] and not any(", " in act for act in acts)
    if plain and len({verb for verb, _, _ in verbs}) == 1:
        return f"{verbs[0][0]} {', '.join(rest for _, _, rest in verbs)}"
    if plain and heads[0][2] and len({tail for _, _, tail in heads}) == 1:
        return f"{', '.join(head for head, _, _ in heads)}: {heads[0][2]}"
    return ", ".join(acts)


def _equal(kind: str, lines: Iterable[tuple[str, str, str]]) -> Iterable[PlanRow]:
    """Joins the subjects of equal lines, in the order of the first of them."""
    subjects: dict[tuple[str, str], list[str]] = {}
    for subject, action, reason in lines:
        subjects.setdefault((action, reason), []).append(subject)
    for (action, reason), found in subjects.items():
        yield PlanRow(kind, ", ".join(dict.fromkeys(found)), action, reason)
