"""Decides whether a cluster has the access of its policy: what is still missing, and which cells still fail."""

from collections.abc import Collection

from tasks.access.models.audit import Judged
from tasks.access_apply.models import Act, Comparison, Proven
from tasks.core.models.findings import Problem, listed

NEXT = "`kube-runbooks access matrix CLUSTER` asks again, and names the reason of each cell"


def prove(now: Comparison, stay: Collection[str], *, deletes: bool) -> Proven | Problem:
    """Returns the proof, or what is still missing.

    Args:
        now: the comparison after the changes
        stay: cells that failed before, and that the plan said will still fail
        deletes: whether what the policy no longer has must be gone; before the deletion only the rights that it gives count
    """
    if now.refusals:
        first = now.refusals[0]
        return Problem(text=f"{first.subject}: {first.problem}", next_step=first.next_step)
    left = [one.place.label for one in now.changes if deletes or one.act is not Act.DELETE]
    if left:
        return Problem(text=f"still not as the policy wants: {listed(left)}", next_step="run it again")
    failing = [one for one in now.cells if not one.holds and (deletes or one.wanted == "allow")]
    if worse := [_words(one) for one in failing if one.label not in stay]:
        return Problem(text=f"cells of the matrix that fail: {listed(worse)}", next_step=NEXT)
    holding = sum(one.holds for one in now.cells)
    return Proven(same=now.same, holding=holding, failing=tuple(one.label for one in failing))


def _words(one: Judged) -> str:
    answer = "was not checked" if one.allowed is None else "is allowed" if one.allowed else "is denied"
    return f"{one.label} {answer}"
