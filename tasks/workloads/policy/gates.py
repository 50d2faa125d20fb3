"""Decides which gates of the profile hold for a rollout, and how long they have to stay open after it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure
from tasks.core.models.profile import WorkloadGate
from tasks.core.words import duration_in_words
from tasks.workloads.models.names import Ref

BAKE = timedelta(minutes=2)
"""Is the bake time of a rollout with gates, if nobody gives one."""


def gates_for(gates: Iterable[WorkloadGate], refs: Iterable[Ref]) -> tuple[WorkloadGate, ...]:
    """Returns the gates that hold for at least one of the workloads."""
    namespaces = {one.namespace for one in refs}
    return tuple(one for one in gates if not one.namespaces or namespaces & set(one.namespaces))


def bake_of(given: timedelta | None, gates: Sequence[object]) -> timedelta:
    """Returns the bake time: the given one, else two minutes if there is a gate."""
    if given is not None:
        return given
    return BAKE if gates else timedelta()


def bake_in_words(bake: timedelta, names: Sequence[str]) -> str:
    """Says in a plan what has to hold after a rollout; empty if nothing is asked for."""
    if names:
        return f"then {_named(names)} have to stay open for {duration_in_words(bake)}"
    return f"then it has to stay available for {duration_in_words(bake)}" if bake else ""


def judge_gates(closed: Iterable[str], *, begun: bool) -> list[Finding]:
    """Returns a refusal for each gate that is closed before the change.

    If an interrupted run has changed a workload already, the run goes on instead: the proof fails on the gate, and the
    workloads go back.
    """
    if begun:
        step = "if it stays closed, the proof fails on it"
        return [cautioned("workloads.gates", f"closed after the change: {figure(said)}", step) for said in closed]
    step = "wait until it is open, or change workloads.gates of the profile"
    return [refused("workloads.gates", said, step) for said in closed]


def gates_in_words(names: Sequence[str], closed: Sequence[str]) -> str:
    """Says what the gates say after workloads went back; empty if there is none."""
    if not names:
        return ""
    if not closed:
        return f"{_named(names)} are open now"
    return f"{len(closed)} of {len(names)} gates are closed now: {'; '.join(closed)}"


def _named(names: Sequence[str]) -> str:
    return f"all gates ({listed(tuple(names))})"
