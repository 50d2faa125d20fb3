"""Plans a patch: which nodes, in which order, what happens to their packages, and what fits into the window."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from tasks.core.models.findings import Finding, cautioned, listed, softened
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure, joined
from tasks.core.models.profile import MaintenanceRules
from tasks.core.words import counted, duration_in_words
from tasks.drain.policy.findings import evicted_by
from tasks.node_work.policy.waves import limit_of, plan_waves
from tasks.os_patch.models.facts import ClusterPatchFacts
from tasks.os_patch.models.options import PatchOptions, RebootRule
from tasks.os_patch.models.packages import Change
from tasks.os_patch.models.plan import NodePatch, PatchPlan
from tasks.os_patch.policy.reboots import why_pending, why_pinned
from tasks.os_patch.policy.rules import rules_of_cluster, rules_of_drains, rules_of_input, rules_of_machines
from tasks.os_patch.policy.scope import PatchScene, PatchState
from tasks.os_patch.policy.windows import fit_into

ACT_UNCORDON = "prove that it is healthy, uncordon"
"""This is the act for a node that has every update, where a run of ours stopped before its last act."""

SHOWN = 6
"""Limits how many packages a step names."""


def plan_patch(
    facts: ClusterPatchFacts,
    options: PatchOptions,
    rules: MaintenanceRules,
    *,
    now: datetime,
    urgent: bool = False,
) -> PatchPlan:
    """Returns the whole plan, or all refusals at once.

    A node that has nothing to do, or has no time left, is a skip with the reason. Outside a window nothing is
    disturbed. Problems are then cautions, and the plan says when the next window opens. If the patch is
    `urgent`, other nodes, rollouts and alerts are cautions too, because they may be the cause.
    """
    scene = PatchScene(facts, options, rules, now, urgent=urgent)
    groups = _groups(scene)
    fits, waits = fit_into([[(node.name, scene.needs(node)) for node in group] for group in groups], now, scene.until)
    taken = [group for group in ([node for node in group if node.name in fits] for group in groups) if group]
    findings = list(dict.fromkeys(_findings(scene, taken)))
    return PatchPlan(
        control_plane=tuple(_node(scene, group[0]) for group in taken if group[0].is_control_plane),
        waves=tuple(tuple(_node(scene, node) for node in group) for group in taken if not group[0].is_control_plane),
        until=scene.until,
        opens=scene.following.opens if scene.closed and scene.following else None,
        closed=scene.closed,
        waiting=tuple(waits),
        evicts=evicted_by(node.forecast for group in taken for node in group if node.is_disturbed),
        steps=tuple(_steps(scene, taken)),
        skips=tuple(_skips(scene, fits, waits)),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )


def _findings(scene: PatchScene, taken: Sequence[Sequence[PatchState]]) -> Iterator[Finding]:
    """Yields the findings. If nothing is disturbed, problems of the cluster are only cautions."""
    yield from rules_of_input(scene)
    yield from _weighed(rules_of_machines(scene), matter=bool(taken) or not scene.closed)
    disturbing = any(node.is_disturbed for group in taken for node in group)
    yield from _weighed([*rules_of_cluster(scene), *rules_of_drains(scene)], matter=disturbing)
    limit = limit_of(scene.options.waves.max_unavailable, len(scene.workers))
    if disturbing and limit.caution:
        yield cautioned("--max-unavailable", limit.caution, "give a number, or a higher percentage")
    if disturbing and not scene.rules.windows:
        yield cautioned("window", "the profile has no maintenance window: any time is good", "maintenance.windows")


def _weighed(findings: Iterable[Finding], *, matter: bool) -> Iterator[Finding]:
    return (one if matter else softened(one) for one in findings)


# --- order


def _groups(scene: PatchScene) -> list[list[PatchState]]:
    """Returns control plane nodes one at a time, then workers in waves.

    Workers that are under way come first, because they are out of service already.
    """
    pending = {node.name for node in scene.pending}
    control_planes = [[node] for node in scene.control_planes if node.name in pending]
    workers = {node.name: node for node in scene.workers if node.name in pending}
    begun = [name for name, node in workers.items() if node.begun]
    others = [name for name in workers if name not in begun]
    waves, total = scene.options.waves, len(scene.workers)
    steady = waves.model_copy(update={"canary": False})
    planned = (*plan_waves(begun, steady, workers=total), *plan_waves(others, waves, workers=total))
    return control_planes + [[workers[name] for name in wave] for wave in planned]


def _node(scene: PatchScene, node: PatchState) -> NodePatch:
    return NodePatch(
        name=node.name,
        control_plane=node.is_control_plane,
        changes=node.changes,
        reboot=node.reboot,
        begun=node.begun,
        repair=node.repaired,
        evicted=node.forecast.evicted if node.forecast and node.is_disturbed else (),
        expected=scene.expected(node),
        needs=scene.needs(node),
    )


# --- steps: what changes by the minute is a `figure`, all else is in the plan's digest


def _steps(scene: PatchScene, taken: Sequence[Sequence[PatchState]]) -> Iterator[Step]:
    canary = _canary(scene, taken)
    number = 0
    for group in taken:
        is_wave = not group[0].is_control_plane
        number += is_wave
        for node in group:
            place = "the canary: the others wait for it" if node.name == canary else ""
            act = _act(scene, node)
            yield Step(
                subject=node.name,
                act=f"wave {number}: {act}" if is_wave else act,
                reason=_reason(scene, node, place),
            )


def _act(scene: PatchScene, node: PatchState) -> str:
    if not node.is_disturbed:
        return ACT_UNCORDON
    moves = node.leads and len(scene.facts.etcd.members) > 1
    acts = ["drain"]
    if node.repaired:
        acts.append("dpkg --configure -a")
    if node.changes:
        acts.append(f"install {_in_words(node.changes)}")
    if node.reboot:
        acts.append("reboot")
    elif scene.options.reboot is RebootRule.NEEDED and node.changes:
        acts.append("reboot if they ask for it")
    return figure("move etcd's leadership away, " if moves else "") + ", ".join(acts)


def _in_words(changes: Sequence[Change]) -> str:
    """Returns the packages as text, with a digest of all of them. So an approval covers exactly these versions."""
    text = "\n".join(sorted(f"{one.package} {one.after}" for one in changes))
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{counted(len(changes), 'package')} ({listed([one.in_words for one in changes], SHOWN)}; {digest})"


def _reason(scene: PatchScene, node: PatchState, place: str) -> str:
    security = sum(one.security for one in node.changes)
    evicted = node.forecast.evicted if node.forecast else ()
    told = (
        "control plane" if node.is_control_plane else "worker",
        figure(place),
        "an earlier run has begun with it" if node.begun else "",
        f"{security} of {len(node.changes)} are security updates" if node.changes else "",
        node.reboot,
        _kept_back(node),
        f"evicts {figure(counted(len(evicted), 'pod'))}" if node.is_disturbed else "",
        figure(_time_of(scene, node) if node.is_disturbed else ""),
    )
    return joined(*told)


def _time_of(scene: PatchScene, node: PatchState) -> str:
    source = (
        "by its last run"
        if scene.expected(node) != scene.rules.expected_duration
        else "by maintenance.expected_duration"
    )
    margin = f"{scene.rules.margin_percent} % on top make {duration_in_words(scene.needs(node))}"
    return f"about {duration_in_words(scene.expected(node))} {source}, {margin}"


def _canary(scene: PatchScene, taken: Sequence[Sequence[PatchState]]) -> str:
    fresh = [group for group in taken if not group[0].is_control_plane and not group[0].begun]
    return fresh[0][0].name if scene.options.waves.canary and len(fresh) > 1 else ""


# --- skips


def _skips(scene: PatchScene, fits: frozenset[str], waits: dict[str, timedelta]) -> Iterable[Skip]:
    for node in scene.nodes:
        if node.name not in fits:
            yield Skip(subject=node.name, reason=_why_not(scene, node, waits))


def _why_not(scene: PatchScene, node: PatchState, waits: dict[str, timedelta]) -> str:
    if not node.selected:
        return "it is not one of --nodes"
    if node.name in waits:
        needs = f"it needs {duration_in_words(scene.needs(node))} ({duration_in_words(scene.expected(node))} and {scene.rules.margin_percent} %)"
        left = f"{needs}, {duration_in_words(waits[node.name])} are left when its turn comes"
        return f"it waits: {figure(f'{left}; {scene.next_words}')}"
    if unknown := node.unreached or node.patch.updates.problem:
        return f"not known: {unknown}"
    if scene.closed and node.is_pending:
        return f"{figure(scene.closed)}; to do: {_act(scene, node)}"
    return "this run has rebooted it already" if node.done_by_this_run else _nothing(scene, node)


def _nothing(scene: PatchScene, node: PatchState) -> str:
    pending = why_pending(node.patch)
    if scene.options.reboot is RebootRule.NEVER and pending:
        told = f"nothing to install; --reboot=never, although {'; '.join(pending)}"
    else:
        told = "nothing to install, and no reboot is pending"
    return "; ".join(part for part in (told, why_pinned(node.patch), _kept_back(node)) if part)


def _kept_back(node: PatchState) -> str:
    """Returns the packages that have an update but do not get it, with the reason if it is known."""
    held = set(node.patch.updates.held)
    names = [f"{name} (on hold)" if name in held else name for name in node.patch.updates.kept_back]
    return f"kept back: {listed(names)}" if names else ""
