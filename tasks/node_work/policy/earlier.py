"""Reads what an earlier run left on a node: the problems before its first act, and the reason for the cordon."""

import json
from collections.abc import Mapping

from tasks.core.models.findings import Problem
from tasks.drain.models import CORDONED_BY, FAILED, UNHEALTHY
from tasks.node_work.models.health import Before
from tasks.nodes.models.nodes import KubeNode


def noted_unhealthy(annotations: Mapping[str, str]) -> tuple[str, ...] | None:
    """Returns the symptoms that `cordon` wrote. It is `None` if no run has begun, or if the note cannot be parsed."""
    try:
        found = json.loads(annotations.get(UNHEALTHY, ""))
    except ValueError:
        return None
    return tuple(map(str, found)) if isinstance(found, list) else None


def known_before(node: KubeNode) -> tuple[str, ...] | None:
    """Returns the symptoms that an earlier run found on the node before its first act.

    It is `None` if no run has begun there, or if someone has uncordoned the node since.
    """
    is_ours = CORDONED_BY in node.annotations
    if is_ours and not node.cordoned:
        return None
    noted = noted_unhealthy(node.annotations)
    return () if noted is None and is_ours else noted


def before_that_run(before: Before, node: KubeNode) -> Before:
    """Replaces the known symptoms by those of an earlier attempt, if one has begun here.

    Other problems may be the result of that attempt. A symptom that has disappeared since must stay away: the
    attempt may be from another day.
    """
    known = known_before(node)
    if known is None:
        return before
    return before.model_copy(update={"unhealthy": tuple(one for one in known if one in before.unhealthy)})


def why_left_cordoned(node: KubeNode) -> Problem | None:
    """Returns why a run of ours has left the node cordoned, or `None` if none has.

    What that run changed on the node is not known here.
    """
    if told := node.annotations.get(FAILED):
        return Problem(text=told)
    return Problem(text="an earlier run ended in the middle") if CORDONED_BY in node.annotations else None
