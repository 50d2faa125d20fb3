"""Parses the signs of life of a cluster and the results of a write from the API's answers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.outside import name_of
from tasks.restore.models import LEADERS, OBJECT, Write

NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
NODE_LEASES, LEADER_LEASES = (_LEASES.format(namespace=namespace) for namespace in ("kube-node-lease", "kube-system"))

NAMESPACES = "/api/v1/namespaces"
CONFIGMAPS = f"{NAMESPACES}/kube-system/configmaps"


class Pulse(Model):
    """Holds the signs of life at one moment."""

    leases: dict[str, str]
    """It holds when each Lease was renewed, by its holder's own clock; only a change is significant."""
    ready: dict[str, str]
    """It holds the condition Ready by node; every value except `True` means that the node is not Ready."""


def pulse_of(nodes: Iterable[Mapping[str, Any]], leases: Iterable[Mapping[str, Any]]) -> Pulse:
    """Builds the signs of life from the API's own objects."""
    return Pulse(leases=renewals_of(leases), ready={_name(one): _ready(one) for one in nodes})


def revision_of(listed: Mapping[str, Any]) -> str:
    """Returns the revision at which a list was made.

    It raises `NotYet` if the list has none, because the start of a watch is unknown then.
    """
    found = outside.ListPage.read(listed, "a list").metadata.resource_version
    if not found:
        raise NotYet("a list of the API has no resourceVersion", hint="check what answers there: is it the API server?")
    return found


def written_of(
    read: Mapping[str, Any], watched: Sequence[Mapping[str, Any]], status: int, old: Sequence[Mapping[str, Any]]
) -> Write:
    """Returns the results of a write: the object as read, and the events since before it.

    It also has the answer to a watch from before the restore.
    """
    found = outside.WatchedConfigMap.read(read, f"configmap {OBJECT}")
    gone = [one for one in (outside.WatchEvent.read(event, "an event of a watch") for event in old) if one.is_gone]
    return Write(
        id=found.data.get("id", ""),
        revision=found.metadata.resource_version,
        watched=tuple(outside.WatchEvent.read(event, "an event of a watch").id for event in watched),
        old_is_gone=status == HTTPStatus.GONE or bool(gone),
        old=f"{HTTPStatus.GONE.value if gone else status} {'; '.join(json.dumps(event) for event in old)}",
    )


def events_in(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Parses the events of a watch that is over: one JSON object a line.

    An answer of one line is that object itself.
    """
    lines = str(body["text"]).splitlines() if "text" in body else []
    try:
        return (
            [json.loads(line) for line in lines if line.strip()]
            if lines
            else [body]
            if body.keys() - {"text", "message"}
            else []
        )
    except ValueError:
        raise NotYet(f"a watch answered what is no JSON: {body['text']!r:.200}", hint="check the API server") from None


def renewals_of(leases: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the time of the last renewal for each Lease that was ever renewed."""
    told = {_name(one): outside.HeldLease.read(one, name_of("Lease", one)).spec.renew_time for one in leases}
    return {name: renewed for name, renewed in told.items() if renewed}


def what_is_not_alive(
    before: Pulse, now: Pulse, nodes: tuple[str, ...], leaders: tuple[str, ...] = LEADERS
) -> dict[str, str]:
    """Returns the nodes and the leaders of controllers that are not alive, with the reason.

    Their Lease was not renewed between the two moments, or the node is not Ready.
    """
    wrong = {}
    for name in (*nodes, *leaders):
        if now.leases.get(name) in {None, before.leases.get(name)}:
            wrong[name] = "has not renewed its lease"
    for name in nodes:
        if (ready := now.ready.get(name, "no Node object with this name")) != "True":
            wrong[name] = f"is not Ready: {ready}"
    return wrong


def _name(item: Mapping[str, Any]) -> str:
    return outside.Named.read(item, name_of("object", item)).metadata.name


def _ready(node: Mapping[str, Any]) -> str:
    for one in outside.Node.read(node, name_of("node", node)).status.conditions:
        if one.type == "Ready":
            return "True" if one.status == "True" else f"{one.status}, {one.message}"
    return "it has no condition Ready"
