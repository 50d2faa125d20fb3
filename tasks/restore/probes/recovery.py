"""Signs of life of a cluster, asked on a control plane node by its own kubectl as its own administrator."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.outside import name_of
from tasks.core.shell import script

NODE_NAMESPACE, LEADER_NAMESPACE = "kube-node-lease", "kube-system"
"""Where their leases are."""

LEADERS = ("kube-controller-manager", "kube-scheduler")


class Pulse(Model):
    """Signs of life at one moment."""

    leases: dict[str, str]
    """When each was renewed, by its holder's own clock: only a change says something."""
    ready: dict[str, str]
    """Of each node its condition Ready; anything but `True` is not."""


def take_pulse() -> str:
    """The command; its output is for `parse_pulse`."""
    places = {"node_namespace": NODE_NAMESPACE, "leader_namespace": LEADER_NAMESPACE}
    return script(__file__, "take_pulse", leaders=LEADERS, **places)


def parse_pulse(stdout: bytes) -> Pulse:
    """Three lists of JSON, one after the other; `NotYet` where they are not understood."""
    decoder, text = json.JSONDecoder(), stdout.decode(errors="replace")
    found: list[Mapping[str, Any]] = []
    while text := text.lstrip():
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError) as error:
            raise NotYet(f"kubectl printed no JSON: {error}", hint="run kubectl get nodes -o json there") from None
        listed = isinstance(value, dict) and "items" in value
        found += outside.ListPage.read(value, "a list that kubectl printed").items if listed else [value]
        text = text[end:]
    of_kind = {kind: [one for one in found if _kind(one) == kind] for kind in ("Lease", "Node")}
    nodes = {_name(one): _ready(one) for one in of_kind["Node"]}
    return Pulse(leases=renewals_of(of_kind["Lease"]), ready=nodes)


def renewals_of(leases: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Of each that was ever renewed, when that was."""
    told = {_name(one): outside.HeldLease.read(one, name_of("Lease", one)).spec.renew_time for one in leases}
    return {name: renewed for name, renewed in told.items() if renewed}


def what_is_not_alive(before: Pulse, now: Pulse, nodes: tuple[str, ...]) -> dict[str, str]:
    """Of the nodes and of the leaders of controllers, whose lease has not been renewed between, or who is not Ready."""
    wrong = {}
    for name in (*nodes, *LEADERS):
        if now.leases.get(name) in {None, before.leases.get(name)}:
            wrong[name] = "has not renewed its lease"
    for name in nodes:
        if (ready := now.ready.get(name, "the API does not know it")) != "True":
            wrong[name] = f"is not Ready: {ready}"
    return wrong


def _kind(item: object) -> str:
    return outside.Kind.read(item, "an object that kubectl printed").kind


def _name(item: Mapping[str, Any]) -> str:
    return outside.Named.read(item, name_of("object", item)).metadata.name


def _ready(node: Mapping[str, Any]) -> str:
    for one in outside.Node.read(node, name_of("node", node)).status.conditions:
        if one.type == "Ready":
            return "True" if one.status == "True" else f"{one.status}, {one.message}"
    return "it has no condition Ready"
