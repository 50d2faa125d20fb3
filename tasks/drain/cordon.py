"""Manages cordons. Annotations of the node record the owner and the reason of each cordon."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from tasks.clients.kube import KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.drain.models import CORDONED_BY, FAILED, REASON, TICKET, UNHEALTHY
from tasks.nodes.probes.api_facts import parse_node

JSON = dict[str, Any]

R = TypeVar("R")

NODES = "/api/v1/nodes"

NOTES = (CORDONED_BY, REASON, FAILED, TICKET, UNHEALTHY)
"""Lists the annotations of a cordon that a run has made."""

OF_A_RUN = (FAILED, UNHEALTHY)
"""Lists the annotations that a run leaves on the node even if the cordon belongs to somebody else."""

LONGEST_REASON = 1000
CORDON_LIMIT = timedelta(minutes=1)
"""Limits a change of the node. Others may change it at the same time, or the API server may restart."""


def cordon(  # noqa: PLR0913 - each is written down on the node, by name
    kube: KubeClient,
    node: str,
    run_id: str,
    reason: str,
    *,
    ticket: str = "",
    unhealthy: Sequence[str] | None = None,
) -> bool:
    """Cordons a node so that it gets no new pods. Returns whether somebody else had cordoned it before.

    The cordon of somebody else is left as it is. The cordon of an earlier run, even a failed one, becomes this run's.
    The call is safe to repeat. A ticket is stored in an annotation of its own. So is what was `unhealthy` before,
    unless an earlier attempt has recorded it.

    Raises:
        Refused: the API does not know the node.
        TimedOut: the API server does not answer for a minute.
    """

    def once() -> bool:
        raw = kube.get(f"{NODES}/{node}")
        told = parse_node(raw, None)
        found = told.annotations
        is_known = UNHEALTHY in found and not was_uncordoned(raw)
        noted = {} if unhealthy is None or is_known else {UNHEALTHY: json.dumps(unhealthy)}
        if told.cordoned and not found.get(CORDONED_BY):
            if noted:
                _change(kube, raw, noted, {})
            return True
        notes = {CORDONED_BY: run_id, REASON: _shortened(reason), FAILED: None, TICKET: ticket or None}
        _change(kube, raw, notes | noted, {"unschedulable": True})
        return False

    before = answer_of_api(once, node)
    log_about(node).info("it was cordoned before, by somebody else" if before else f"cordoned: {reason}")
    return before


def uncordon(kube: KubeClient, node: str) -> bool:
    """Removes a run's cordon from the node, with its annotations. Returns whether there was one.

    The cordon of somebody else stays, even after a run has failed.
    """

    def once() -> bool:
        raw = kube.get(f"{NODES}/{node}")
        notes = parse_node(raw, None).annotations
        ours = CORDONED_BY in notes
        if ours:
            _change(kube, raw, dict.fromkeys(NOTES), {"unschedulable": None})
        elif notes.keys() & set(OF_A_RUN):
            _change(kube, raw, dict.fromkeys(OF_A_RUN), {})
        return ours

    ours = answer_of_api(once, node)
    if ours:
        log_about(node).info("uncordoned")
    return ours


def hand_over(kube: KubeClient, node: str, reason: str, ticket: str) -> None:
    """Hands a run's cordon over to the person who requested it.

    No run takes it over or removes it until `release` does.
    """

    def once() -> None:
        notes = {CORDONED_BY: None, FAILED: None, UNHEALTHY: None, REASON: _shortened(reason), TICKET: ticket or None}
        _change(kube, kube.get(f"{NODES}/{node}"), notes, {"unschedulable": True})

    answer_of_api(once, node)
    log_about(node).info("it stays cordoned for %s", f"{ticket}: {reason}" if ticket else reason)


def release(kube: KubeClient, node: str) -> bool:
    """Removes any cordon, with all annotations about it. Returns whether the node was cordoned."""

    def once() -> bool:
        raw = kube.get(f"{NODES}/{node}")
        told = parse_node(raw, None)
        if told.cordoned or told.annotations.keys() & set(NOTES):
            _change(kube, raw, dict.fromkeys(NOTES), {"unschedulable": None})
        return told.cordoned

    cordoned = answer_of_api(once, node)
    if cordoned:
        log_about(node).info("uncordoned")
    return cordoned


def annotate(kube: KubeClient, node: str, notes: dict[str, str | None]) -> None:
    """Sets or removes annotations of a node."""
    answer_of_api(lambda: _change(kube, kube.get(f"{NODES}/{node}"), notes, {}), node)


def keep_cordoned(kube: KubeClient, node: str, reason: str) -> None:
    """Records in an annotation why the node stays out of service, until a later run takes over its cordon."""

    def once() -> None:
        _change(kube, kube.get(f"{NODES}/{node}"), {FAILED: _shortened(reason)}, {})

    answer_of_api(once, node)
    log_about(node).warning("it stays cordoned: %s", reason)


def was_uncordoned(raw: JSON) -> bool:
    """Checks whether somebody has uncordoned a node that a run had cordoned, with `kubectl uncordon`.

    The annotations of the run's cordon are still there then, but have no meaning.
    """
    told = parse_node(raw, None)
    return CORDONED_BY in told.annotations and not told.cordoned


def is_cordon_of_others(kube: KubeClient, node: str) -> bool:
    """Checks whether somebody else has cordoned the node.

    Raises:
        Refused: the node is not cordoned at all.
    """
    told = answer_of_api(lambda: parse_node(kube.get(f"{NODES}/{node}"), None), node)
    if not told.cordoned:
        raise Refused(
            f"{node}: it is not cordoned: pods would come back", hint="somebody has uncordoned it: run it again"
        )
    return CORDONED_BY not in told.annotations


def take_cordon_back(kube: KubeClient, node: str) -> str:
    """Removes the run's cordon after a drain that failed, and returns what became of it.

    If the cordon cannot be removed, the text says so. The error does not hide the original one.
    """
    try:
        return "the node is uncordoned again" if uncordon(kube, node) else "the cordon of somebody else stays"
    except RunbookError as error:
        log_about(node).warning("it is still cordoned: %s", error)
        return f"the node is still cordoned: {error.problem}"


def answer_of_api(ask: Callable[[], R], node: str) -> R:
    """Returns what `ask` returns.

    It asks again if the API server does not answer, or if others change the node meanwhile.
    """
    return wait_for(ask, CORDON_LIMIT, what="the API server to answer", about=node)


def _change(kube: KubeClient, raw: JSON, annotations: Mapping[str, str | None], spec: JSON) -> None:
    """Changes the node, but only if nobody has changed it since it was read."""
    told = outside.Read.read(raw, name_of("node", raw)).metadata
    metadata = {"resourceVersion": told.resource_version, "annotations": dict(annotations)}
    kube.patch(f"{NODES}/{told.name}", {"metadata": metadata, "spec": spec})


def _shortened(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}..."
