"""Cordons: whose each one is, and why, in annotations of the node."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.drain.models import CORDONED_BY, FAILED, REASON, TICKET, UNHEALTHY
from tasks.nodes.probes.api_facts import parse_node

JSON = dict[str, Any]

NODES = "/api/v1/nodes"

NOTES = (CORDONED_BY, REASON, FAILED, TICKET, UNHEALTHY)
"""Annotations that a cordon of ours has."""

OF_A_RUN = (FAILED, UNHEALTHY)
"""Those of them that a run leaves also where the cordon is somebody else's."""

LONGEST_REASON = 1000
CORDON_LIMIT = timedelta(seconds=30)
"""For a change of the node that others change too, or whose API server restarts."""


def cordon(  # noqa: PLR0913 - each is written down on the node, by name
    kube: KubeClient,
    node: str,
    run_id: str,
    reason: str,
    *,
    ticket: str = "",
    unhealthy: Sequence[str] | None = None,
) -> bool:
    """No new pods on it from now on. Was it cordoned before, by somebody else? Then that cordon is left as it is.

    A cordon of an earlier run of ours, also of one that failed, becomes this run's. Safe to do twice. A ticket ends in an
    annotation of its own; so does what was `unhealthy` before, unless an earlier attempt has written that down.

    Raises:
        Refused: the API does not know the node.
        NotYet: the API server does not answer for half a minute.
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

    before = wait_for(once, CORDON_LIMIT)
    log_about(node).info("it was cordoned before, by somebody else" if before else f"cordoned: {reason}")
    return before


def uncordon(kube: KubeClient, node: str) -> bool:
    """Take our cordon away, with its annotations. Was there one? Somebody else's stays, also after a failure of ours."""

    def once() -> bool:
        raw = kube.get(f"{NODES}/{node}")
        notes = parse_node(raw, None).annotations
        ours = CORDONED_BY in notes
        if ours:
            _change(kube, raw, dict.fromkeys(NOTES), {"unschedulable": None})
        elif notes.keys() & set(OF_A_RUN):
            _change(kube, raw, dict.fromkeys(OF_A_RUN), {})
        return ours

    ours = wait_for(once, CORDON_LIMIT)
    if ours:
        log_about(node).info("uncordoned")
    return ours


def hand_over(kube: KubeClient, node: str, reason: str, ticket: str) -> None:
    """A cordon of ours becomes that of the person who wanted it: no run takes it over or away, until `release` does."""

    def once() -> None:
        notes = {CORDONED_BY: None, FAILED: None, UNHEALTHY: None, REASON: _shortened(reason), TICKET: ticket or None}
        _change(kube, kube.get(f"{NODES}/{node}"), notes, {"unschedulable": True})

    wait_for(once, CORDON_LIMIT)
    log_about(node).info("it stays cordoned for %s", f"{ticket}: {reason}" if ticket else reason)


def release(kube: KubeClient, node: str) -> bool:
    """Takes any cordon away, with all that we have noted about it. Was there one?"""

    def once() -> bool:
        raw = kube.get(f"{NODES}/{node}")
        told = parse_node(raw, None)
        if told.cordoned or told.annotations.keys() & set(NOTES):
            _change(kube, raw, dict.fromkeys(NOTES), {"unschedulable": None})
        return told.cordoned

    cordoned = wait_for(once, CORDON_LIMIT)
    if cordoned:
        log_about(node).info("uncordoned")
    return cordoned


def annotate(kube: KubeClient, node: str, notes: dict[str, str | None]) -> None:
    """Annotations of a node, set or taken away."""
    wait_for(lambda: _change(kube, kube.get(f"{NODES}/{node}"), notes, {}), CORDON_LIMIT)


def keep_cordoned(kube: KubeClient, node: str, reason: str) -> None:
    """It stays out of service, with the reason in an annotation, until a later run takes its cordon over."""

    def once() -> None:
        _change(kube, kube.get(f"{NODES}/{node}"), {FAILED: _shortened(reason)}, {})

    wait_for(once, CORDON_LIMIT)
    log_about(node).warning("it stays cordoned: %s", reason)


def was_uncordoned(raw: JSON) -> bool:
    """By somebody else, with `kubectl uncordon`: the notes of our cordon are still there, and say nothing any more."""
    told = parse_node(raw, None)
    return CORDONED_BY in told.annotations and not told.cordoned


def is_cordon_of_others(kube: KubeClient, node: str) -> bool:
    """Whether somebody else has cordoned it; `Refused` where it is not cordoned at all."""
    told = wait_for(lambda: parse_node(kube.get(f"{NODES}/{node}"), None), CORDON_LIMIT)
    if not told.cordoned:
        raise Refused(
            f"{node}: it is not cordoned: pods would come back", hint="somebody has uncordoned it: run it again"
        )
    return CORDONED_BY not in told.annotations


def take_cordon_back(kube: KubeClient, node: str) -> None:
    """Before anything was evicted. A cordon that cannot be taken away is told, and hides no other error."""
    try:
        uncordon(kube, node)
    except RunbookError as error:
        log_about(node).warning("it is still cordoned: %s", error)


def _change(kube: KubeClient, raw: JSON, annotations: Mapping[str, str | None], spec: JSON) -> None:
    """Only if nobody has changed the node since it was read."""
    told = outside.Read.read(raw, name_of("node", raw)).metadata
    metadata = {"resourceVersion": told.resource_version, "annotations": dict(annotations)}
    kube.patch(f"{NODES}/{told.name}", {"metadata": metadata, "spec": spec})


def _shortened(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}..."
