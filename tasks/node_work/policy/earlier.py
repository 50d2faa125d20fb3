"""What an earlier run has left on a node: what it found wrong before its first act, and why the node is cordoned."""

import json
from collections.abc import Mapping

from tasks.core.models.findings import Problem
from tasks.drain.models import CORDONED_BY, FAILED, UNHEALTHY
from tasks.node_work.models.health import Before
from tasks.nodes.models.nodes import KubeNode


def noted_unhealthy(annotations: Mapping[str, str]) -> tuple[str, ...] | None:
    """What `cordon` wrote; none where no run has begun, or nobody can read it."""
    try:
        found = json.loads(annotations.get(UNHEALTHY, ""))
    except ValueError:
        return None
    return tuple(map(str, found)) if isinstance(found, list) else None


def known_before(node: KubeNode) -> tuple[str, ...] | None:
    """What a run that has begun there found wrong before its first act; none where no run has, or somebody has uncordoned it since."""
    is_ours = CORDONED_BY in node.annotations
    if is_ours and not node.cordoned:
        return None
    noted = noted_unhealthy(node.annotations)
    return () if noted is None and is_ours else noted


def before_that_run(before: Before, node: KubeNode) -> Before:
    """What an earlier attempt has found wrong, if it has begun here: what is wrong now may be its doing.

    What has been well again since then has to be so afterwards: the attempt may have been of another day.
    """
    known = known_before(node)
    if known is None:
        return before
    return before.model_copy(update={"unhealthy": tuple(one for one in known if one in before.unhealthy)})


def why_left_cordoned(node: KubeNode) -> Problem | None:
    """Why a run of ours has left it cordoned, `None` where none has; what that one did to the machine is not known here."""
    if told := node.annotations.get(FAILED):
        return Problem(text=told)
    return Problem(text="an earlier run ended in the middle") if CORDONED_BY in node.annotations else None
