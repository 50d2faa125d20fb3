"""Decides where a rollback goes to, and plans it. kubectl's rules of `rollout undo` decide about revisions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.workloads.models.history import Found
from tasks.workloads.models.rollback import (
    CONFIG_MAP,
    PREVIOUS,
    RESOURCES,
    REVISION,
    SECRET,
    SNAPSHOT,
    BackTarget,
    ConfigChange,
    Kept,
    RollbackFacts,
    RollbackOptions,
    RollbackRequest,
)
from tasks.workloads.policy.hints import status_says_why
from tasks.workloads.policy.rights import judge_rights

JSON = Mapping[str, Any]
LINES = 12
"""Limits how many differences a line of the plan shows."""

LEAVE = {CONFIG_MAP: "--no-config-maps", SECRET: "--no-secrets"}

SHOWN = 5
"""Limits how many revisions or snapshots a sentence names."""


class Choice(NamedTuple):
    """Is a revision or a snapshot to go back to, or why there is none."""

    revision: Found | None = None
    snapshot: Kept | None = None
    refusal: str = ""
    next_step: str = ""


def choose(to: str, found: Sequence[Found], current: str, kept: Sequence[Kept]) -> Choice:
    """Returns what to go back to."""
    if to == PREVIOUS:
        return _previous(found)
    if REVISION.fullmatch(to):
        return _numbered(int(to), found, current)
    mine = [one for one in kept if (one.name == to if SNAPSHOT.fullmatch(to) else one.run == to and not one.proven)]
    if mine:
        return Choice(snapshot=min(mine, key=lambda one: one.name))
    newest = sorted((one.name for one in kept), reverse=True)
    step = f"it has {listed(newest, SHOWN)}" if newest else "it has no snapshot; give a revision"
    return Choice(refusal=f"to: the bucket has no snapshot {to} of it", next_step=step)


def _previous(found: Sequence[Found]) -> Choice:
    """Returns the revision before the newest one, as kubectl does."""
    ordered = sorted(found, key=lambda one: one.number)
    if len(ordered) > 1:
        return Choice(revision=ordered[-2])
    return Choice(refusal="to: it has no revision before this one", next_step="deploy the wanted version again")


def _numbered(number: int, found: Sequence[Found], current: str) -> Choice:
    one = next((each for each in found if each.number == number), None)
    numbers = [str(each.number) for each in sorted(found, key=lambda each: each.number)]
    if one is None:
        return Choice(refusal=f"to: it has no revision {number}", next_step=f"it has {listed(numbers)}")
    if one.name == current:
        return Choice(refusal=f"to: revision {number} is the one that runs", next_step=f"it has {listed(numbers)}")
    return Choice(revision=one)


def best_snapshot(revision: str, kept: Iterable[tuple[Kept, str]]) -> Kept | None:
    """Returns the snapshot that shows best what the pods of a revision used.

    The newest one from after a proof is better than any from before a change: by then somebody may have changed the
    ConfigMaps already for the next release.
    """
    mine = [one for one, of in kept if of == revision]
    return max(mine, key=lambda one: (one.proven, one.name), default=None)


def config_changes(
    kind: str, then: Mapping[str, JSON], now: Mapping[str, JSON], used_by: Mapping[str, Sequence[str]]
) -> tuple[ConfigChange, ...]:
    """Returns the objects of a kind that are different now. One that did not exist then stays as it is."""
    found = []
    for name, old in then.items():
        new = now.get(name) or {}
        fields = tuple(sorted(_different(old, new))) if old else ()
        if old and (fields or not new):
            others = tuple(used_by.get(name, ()))
            immutable = bool(new) and (bool(new.get("immutable")) or old.get("type") != new.get("type"))
            change = ConfigChange(
                kind=kind, name=name, fields=fields, exists=bool(new), immutable=immutable, used_by=others
            )
            found.append(change)
    return tuple(found)


def _different(old: JSON, new: JSON) -> Iterator[str]:
    for part in ("data", "binaryData"):
        before, after = old.get(part) or {}, new.get(part) or {}
        yield from (name for name in {*before, *after} if before.get(name) != after.get(name))
    if old.get("type") != new.get("type"):
        yield "type"


def plan_rollback(facts: RollbackFacts, request: RollbackRequest, options: RollbackOptions) -> Plan:
    """Returns a step for each workload, the last one first, or the skip of one that is so already."""
    findings: list[Finding] = list(_of_request(request))
    steps, skips = [], []
    for one in facts.targets:
        if is_done(facts, one):
            skips.append(Skip(subject=one.target.ref.id, reason="an interrupted run of this rollback has proven it"))
            continue
        found = list(_findings(one, options))
        findings += found
        if is_so(facts, one, options) and not any(isinstance(each, Refusal) for each in found):
            skips.append(Skip(subject=one.target.ref.id, reason=f"it is as in {one.words} already"))
        else:
            steps.append(_step(one, request, options))
    return Plan(
        steps=tuple(steps),
        skips=tuple(skips),
        cautions=tuple(each for each in findings if isinstance(each, Caution)),
        refusals=tuple(each for each in findings if isinstance(each, Refusal)),
    )


def is_ours(one: BackTarget) -> bool:
    """Checks whether a run has begun with this very rollback and has not finished."""
    mark = one.target.mark
    if mark is None:
        return False
    return (mark.state, mark.change) == ("begun", one.goal) or mark.is_written(one.goal, one.target.template)


def continued(facts: RollbackFacts) -> frozenset[str]:
    """Returns the runs that this run continues: itself, and those that have begun with this rollback and not finished."""
    begun = [one.target.mark.run for one in facts.targets if one.target.mark and is_ours(one)]
    return frozenset({facts.run_id, *begun})


def is_done(facts: RollbackFacts, one: BackTarget) -> bool:
    """Checks whether a run that is continued has rolled it back and proven it.

    To do it again would be wrong: `previous` is the bad revision now.
    """
    mark = one.target.mark
    return mark is not None and mark.is_proven(one.goal, one.target.template) and mark.run in continued(facts)


def is_so(facts: RollbackFacts, one: BackTarget, options: RollbackOptions) -> bool:
    """Checks whether there is nothing to do: it is so already, and no run is in the middle of it."""
    if is_done(facts, one):
        return True
    return not (one.diff or one.goes_back(options) or is_ours(one) or one.refusal)


def _of_request(request: RollbackRequest) -> Iterator[Refusal]:
    if not request.workloads:
        yield refused("workloads", "there is no workload", "name at least one, for example deployment/web")
    twice = sorted({one for one in request.workloads if request.workloads.count(one) > 1})
    if twice:
        yield refused("workloads", f"named twice: {', '.join(twice)}", "name each once")
    if REVISION.fullmatch(request.to) and len(set(request.workloads)) > 1:
        yield refused(
            "to",
            "the number of a revision is of one workload",
            "name one workload, or give previous or the id of a run",
        )


def _step(one: BackTarget, request: RollbackRequest, options: RollbackOptions) -> Step:
    what = [f"roll back to {one.words}"] if one.diff else []
    config = one.goes_back(options)
    kinds = " and ".join(dict.fromkeys(f"{each.kind}s" for each in config))
    what += [f"restart for {kinds} of {one.words}"] if config and not one.diff else []
    if is_ours(one):
        what = [f"continue an interrupted run: {one.words}"]
    told = [_config(each) for each in config]
    reason = "; ".join(part for part in (request.in_words, listed(list(one.diff), LINES), *told) if part)
    return Step(subject=one.target.ref.id, act="; ".join(what) or "roll back", reason=reason)


def _config(one: ConfigChange) -> str:
    return f"{one.label}: {', '.join(one.fields)}" if one.exists else f"{one.label}: created again"


def _findings(one: BackTarget, options: RollbackOptions) -> Iterator[Finding]:
    target, subject = one.target, one.target.ref.id
    yield from judge_rights(target.ref, target.lacks)
    if target.lacks and not target.uid:
        return
    if not target.has_namespace:
        yield refused(subject, f"no namespace {target.ref.namespace}", "`kubectl get namespaces` lists them")
        return
    if not target.exists:
        step = (
            f"correct workloads: `kubectl -n {target.ref.namespace} get deployments,statefulsets,daemonsets` lists them"
        )
        yield refused(subject, "no workload with this name", step)
        return
    if target.deleting:
        yield refused(subject, "it is being deleted", "wait until it is gone, or create it again")
    if target.paused:
        step = f"kubectl -n {target.ref.namespace} rollout resume {target.ref.workload}; it releases what was changed meanwhile"
        yield refused(subject, "it is paused: a rollback would be stored and not rolled out", step)
    if target.strategy == "OnDelete":
        step = "set spec.updateStrategy.type to RollingUpdate, or roll it back by hand and delete its pods"
        yield refused(subject, "its strategy is OnDelete: nothing replaces its pods", step)
    if one.refusal:
        yield refused(subject, one.refusal, one.next_step)
    yield from _of_owner(one, options)
    yield from _of_config(one, options)
    mark = target.mark
    if mark and mark.state in {"begun", "open"} and not is_ours(one):
        problem = f"run {mark.run} has changed it, and has not finished"
        yield cautioned(subject, problem, "if that run still works, its lock stops this one")
    if target.problem:
        yield cautioned(subject, f"it is not finished now: {figure(target.problem)}", status_says_why(target.ref))


def _of_owner(one: BackTarget, options: RollbackOptions) -> Iterator[Finding]:
    target, subject = one.target, one.target.ref.id
    if target.owner and options.override_owner:
        yield cautioned(subject, f"{target.owner} owns it, and may change it again", target.owner_way)
    elif target.owner:
        step = f"revert it there: {target.owner_way}; or add --override-owner, and it may be changed again"
        yield refused(subject, f"{target.owner} owns it", step)


def _of_config(one: BackTarget, options: RollbackOptions) -> Iterator[Finding]:
    subject = one.target.ref.id
    if one.refusal:
        return
    wanted = {RESOURCES[kind] for kind in options.kinds}
    yield from judge_rights(one.target.ref, [right for right in one.config_lacks if right.resource in wanted])
    if not one.has_snapshot and options.config_maps:
        yield cautioned(subject, "its ConfigMaps stay as they are: no snapshot shows what its pods used then", "")
    for each in one.goes_back(options):
        leave = LEAVE[each.kind]
        if each.immutable:
            step = f"add {leave}, and create the old content under a new name"
            yield refused(subject, f"{each.label} cannot be changed (immutable, or another type)", step)
        if each.used_by:
            problem = f"{each.label} goes back, and {listed(each.used_by)} uses it, too"
            yield cautioned(subject, problem, f"add {leave} to leave it as it is")
    if one.secrets and options.secrets:
        problem = f"its Secrets stay as they are: {listed(one.secrets)}: {one.secrets_stay}"
        yield cautioned(subject, problem, one.secrets_step)
