"""The gates of the site itself, from its profile: asked before each act, and after it as a part of the proof."""

from datetime import timedelta

from tasks.clients.prometheus import ask_prometheus
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models.profile import SiteGate
from tasks.node_work.policy.gates import what_condition_says, what_values_say

CALL = timedelta(seconds=60)


def what_gates_say(handle: Cluster) -> tuple[str, ...]:
    """Of each gate of the profile that does not let the run go on, why; one that cannot be asked does not."""
    return tuple(said for said in on_all(lambda gate: _ask(handle, gate), handle.profile.gates) if said)


def _ask(handle: Cluster, gate: SiteGate) -> str:
    try:
        return f"gate {gate.name}: {said}" if (said := _say(handle, gate)) else ""
    except RunbookError as error:
        return f"gate {gate.name}: {error.problem}"


def _say(handle: Cluster, gate: SiteGate) -> str:
    if gate.command:
        output = handle.node(gate.on or "").run(gate.command, timeout=CALL, sudo=True, check=False)
        words = output.complaint or output.stdout.decode(errors="replace").strip()[-200:]
        return "" if output.status == 0 else f"its command ended with status {output.status} on {gate.on}: {words}"
    if gate.object:
        return what_condition_says(handle.kube.find(gate.object), gate.object, gate.condition)
    return what_values_say(ask_prometheus(gate.url, gate.query), at_most=gate.at_most, at_least=gate.at_least)
