"""Asks the site's own gates of its profile, before each act and after it as a part of the proof."""

from collections.abc import Sequence

from tasks.clients.prometheus import ask_prometheus
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models.findings import Problem
from tasks.core.models.profile import SiteGate
from tasks.gates.policy import what_condition_says, what_values_say

LONGEST_ANSWER = 200
"""Limits how many characters of a command's output are reported. They are the last ones."""


def what_gates_say(handle: Cluster, gates: Sequence[SiteGate]) -> tuple[str, ...]:
    """Returns why these gates of the profile do not let the run continue. A gate that cannot be asked does not agree."""
    found = on_all(lambda gate: (gate.name, _ask(handle, gate)), gates)
    return tuple(f"gate {name}: {problem}" for name, problem in found if problem)


def _ask(handle: Cluster, gate: SiteGate) -> Problem | None:
    try:
        if gate.command:
            return _ask_command(handle, gate)
        if gate.object:
            return what_condition_says(handle.kube.find(gate.object), gate.object, gate.condition)
        return what_values_say(ask_prometheus(gate.url, gate.query), at_most=gate.at_most, at_least=gate.at_least)
    except RunbookError as error:
        return Problem(text=error.problem)


def _ask_command(handle: Cluster, gate: SiteGate) -> Problem | None:
    output = handle.node(gate.on or "").run(gate.command, timeout=CALL, sudo=True, check=False)
    if output.status == 0:
        return None
    words = output.complaint or output.stdout.decode(errors="replace").strip()[-LONGEST_ANSWER:]
    return Problem(text=f"its command ended with status {output.status} on {gate.on}: {words}")
