"""Cordon and drain: as kubectl does it, with a forecast before, an owner of each cordon, and one limit for the node.

Plain functions: a task that takes a node out of service calls them, between its gate and its act. What a drain knows is in
the cluster: an attempt that died is done again by another one, which finds the cordon, and the pods that are left.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.at_once import LOOK_EVERY, on_all, wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.settings import Settings
from tasks.drain.models import (
    CORDONED_BY,
    FAILED,
    REASON,
    TICKET,
    UNHEALTHY,
    Drained,
    DrainForecast,
    DrainOptions,
    DrainProgress,
    Treatment,
    Verdict,
    Waiting,
)
from tasks.drain.policy.evictions import TWO_BUDGETS, Judged, Outcome, judge_eviction
from tasks.drain.policy.forecast import forecast_drain, forecast_drains, is_overdue, matching
from tasks.nodes.models.pods import Attachment, Budget, DrainFacts, Pod, Volume
from tasks.nodes.probes.api_facts import nodes_of_services, parse_node, parse_nodes, parse_webhooks
from tasks.nodes.probes.pods import parse_attachment, parse_budget, parse_pod, parse_volume

JSON = dict[str, Any]

NOTES = (CORDONED_BY, REASON, FAILED, TICKET, UNHEALTHY)
"""Annotations that a cordon of ours has."""

OF_A_RUN = (FAILED, UNHEALTHY)
"""Those of them that a run leaves also where the cordon is somebody else's."""

CAME_AGAIN = "it tolerates a cordon, and was put on the node again"
LONGEST_REASON = 1000
CORDON_LIMIT = timedelta(seconds=30)
"""For a change of the node that others change too, or whose API server restarts."""

SECOND_LOOK = timedelta(seconds=3)
"""After this, at what looked hopeless: a pod that is just made again makes its budget look so for a moment."""

BUDGETS_EVERY = timedelta(seconds=5)
TELL_EVERY = timedelta(seconds=30)
"""For the same news."""

NODES, PODS = "/api/v1/nodes", "/api/v1/pods"
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
DAEMON_SETS = "/apis/apps/v1/daemonsets"
VOLUMES = "/api/v1/persistentvolumes"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
HOOKS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations" for kind in ("validating", "mutating")
)

Tell = Callable[[DrainProgress], None]


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


def what_came_back(kube: KubeClient, node: str, options: DrainOptions) -> tuple[str, ...]:
    """Why a node that was drained is not out of service any more: somebody has uncordoned it, or pods to evict are there."""
    if not wait_for(lambda: parse_node(kube.get(f"{NODES}/{node}"), None), CORDON_LIMIT).cordoned:
        return ("somebody has uncordoned it",)
    facts = wait_for(lambda: _facts_of(kube, node), CORDON_LIMIT)
    forecast = forecast_drain(node, facts, options)
    return tuple(f"pod {pod} is there" for pod in forecast.in_the_way)


def was_uncordoned(raw: JSON) -> bool:
    """By somebody else, with `kubectl uncordon`: the notes of our cordon are still there, and say nothing any more."""
    told = parse_node(raw, None)
    return CORDONED_BY in told.annotations and not told.cordoned


def keep_cordoned(kube: KubeClient, node: str, reason: str) -> None:
    """It stays out of service, with the reason in an annotation, until a later run takes its cordon over."""

    def once() -> None:
        _change(kube, kube.get(f"{NODES}/{node}"), {FAILED: _shortened(reason)}, {})

    wait_for(once, CORDON_LIMIT)
    log_about(node).warning("it stays cordoned: %s", reason)


def observe_drain_facts(kube: KubeClient) -> DrainFacts:
    """What all drains of the cluster are forecast from: eight lists, read at once."""
    paths = (NODES, PODS, BUDGETS, DAEMON_SETS, VOLUMES, SLICES, *HOOKS)
    now = datetime.now(UTC)
    found = dict(zip(paths, on_all(kube.items, paths), strict=True))
    pods = tuple(parse_pod(raw) for raw in found[PODS])
    hooks = [one for path in HOOKS for one in found[path]]
    return _facts(now, found, pods).model_copy(
        update={"webhooks": parse_webhooks(hooks, nodes_of_services(found[SLICES]))}
    )


def observe_forecasts(kube: KubeClient, nodes: Sequence[str], options: DrainOptions) -> tuple[DrainForecast, ...]:
    """Of each node as if it were drained alone, in that order; what looks hopeless is looked at again after some seconds."""

    def look() -> tuple[DrainForecast, ...]:
        return forecast_drains(nodes, observe_drain_facts(kube), options)

    return _confirmed(look)


def where_i_run(kube: KubeClient) -> str:
    """The node of this cluster that this process runs on; empty when it runs on none of them.

    The setting `node` says it, else the pod of this name is looked for: a pod in the host's network has the node's name.
    """
    settings = Settings()
    if settings.node:
        return settings.node
    if not settings.in_cluster or not settings.hostname:
        return ""
    for raw in kube.items(PODS, fieldSelector=f"metadata.name={settings.hostname}"):
        return outside.GivenPod.read(raw, name_of("pod", raw)).spec.node_name
    return settings.hostname if kube.find(f"{NODES}/{settings.hostname}") else ""


def drain(
    kube: KubeClient,
    node: str,
    options: DrainOptions,
    *,
    check: Callable[[], None] = lambda: None,
    on_wait: Tell = lambda _: None,
) -> Drained:
    """Evict all pods of a cordoned node, and wait until they are gone and their volumes detached, the latter for a limit of its own.

    `check` is called before each round of evictions: it raises when the run may not go on. `on_wait` is told each second what
    is waited for. An API server that is away is endured until the limit.

    Raises:
        Refused: the node is not cordoned. This worker runs on it, or a pod would never go: nothing was evicted, and our cordon
            is taken away again. An eviction is hopeless, somebody interferes, or the limit is over: all that is left is
            named, and the cordon stays once a pod was evicted.
        NotYet: an API server that does not answer before the first eviction, or what `check` raises.
    """
    started = time.monotonic()
    before = _cordoned_before(kube, node)
    work: _Drain | None = None
    try:
        _refuse_own_node(kube, node)
        forecast, facts = _forecast_before_eviction(kube, node, options)
        work = _Drain(kube, forecast, facts, options, _Listener(check, on_wait))
        work.run()
    except Refused:
        if work is None or not work.keeps_cordon:
            check()  # whoever has the lock now has the node
            _give_back(kube, node)
        raise
    took = timedelta(seconds=round(time.monotonic() - started, 1))
    log_about(node).info("drained in %s: %d pods are gone, %d stay", took, len(work.gone), len(work.stay))
    return Drained(
        node=node,
        cordoned_before=before,
        evicted=tuple(work.gone),
        left=tuple(f"{one.pod}: {one.reason}" for one in work.stay),
        waited_for=tuple(work.waited_for),
        still_attached=work.still_attached,
        took=took,
    )


@dataclass(frozen=True)
class _Listener:
    """Who is asked and told while a drain waits."""

    check: Callable[[], None]
    tell: Tell


@dataclass
class _Left:
    """A pod that has still to go."""

    pod: Pod
    why: str
    since: datetime
    due: float = 0.0
    tries: int = 0
    by_budget: bool = False

    def waits(self, why: str, *, by_budget: bool = False) -> None:
        """Since now, if it is another reason."""
        if (self.why, self.by_budget) != (why, by_budget) and not (self.by_budget and by_budget):
            self.since = datetime.now(UTC)
        self.why, self.by_budget = why, by_budget


class _Drain:
    """Rounds of one second: look at all pods of the node at once, evict those that are due, wait."""

    def __init__(
        self, kube: KubeClient, forecast: DrainForecast, facts: DrainFacts, options: DrainOptions, listener: _Listener
    ) -> None:
        now = datetime.now(UTC)
        self._kube, self._node, self._options, self._listener = kube, forecast.node, options, listener
        self._until = now + options.limit
        self._end = time.monotonic() + options.limit.total_seconds()
        going = set(forecast.evicted)
        pods = [pod for pod in facts.pods if pod.id in going]
        self._left = {pod.uid: _Left(pod, "it is to be evicted", now) for pod in pods}
        self._known = {pod.uid for pod in facts.pods}
        self._facts = facts
        self._volumes = {volume.claim: volume for volume in facts.volumes}
        self._going = pods
        self._staying = [pod for pod in facts.pods if pod.id not in going]
        self._attached: dict[str, Waiting] = {}
        self._detach_end = 0.0
        self._silent: Waiting | None = None
        self._budgets_due = self._told_at = 0.0
        self._told: tuple[str, ...] = ()
        self._waited: dict[str, tuple[Budget, datetime, datetime]] = {}
        self.stay = [verdict for verdict in forecast.verdicts if verdict.treatment is Treatment.LEAVE]
        self.gone: list[str] = []
        self.still_attached: tuple[str, ...] = ()
        self.keeps_cordon = False
        """Something was evicted, or the run may not go on."""

    @property
    def waited_for(self) -> list[str]:
        """Budgets, with their last figures."""
        return [
            f"{one.figures}: from {_clock(since)} to {_clock(until)}" for one, since, until in self._waited.values()
        ]

    def run(self) -> None:
        """Until nothing is left, or the limit is over."""
        while not self._endured(self._is_done):
            self._tell()
            if time.monotonic() >= self._end:
                raise self._over()
            if due := self._due():
                self._check()
                on_all(self._evict, due)
                self._endured(self._count_budgets)
            time.sleep(LOOK_EVERY.total_seconds())

    def _check(self) -> None:
        try:
            self._listener.check()
        except RunbookError:
            self.keeps_cordon = True
            raise

    def _due(self) -> list[_Left]:
        """Nothing while nobody answers: what is known then is old."""
        now = time.monotonic()
        due = [one for one in self._left.values() if one.pod.stops_by is None and one.due <= now]
        return [] if self._silent else due

    def _endured(self, look: Callable[[], bool]) -> bool:
        """A server that is away is waited for like a pod."""
        try:
            found = look()
        except NotYet as error:
            since = self._silent.since if self._silent else datetime.now(UTC)
            self._silent = Waiting(what="API server", why=error.problem, since=since)
            return False
        self._silent = None
        return found

    def _is_done(self) -> bool:
        """Looks at the pods of the node; when they are gone, at the volumes."""
        self._look([parse_pod(raw) for raw in self._kube.items(PODS, fieldSelector=f"spec.nodeName={self._node}")])
        return not self._left and self._is_detached()

    def _look(self, pods: Sequence[Pod]) -> None:
        found = {pod.uid: pod for pod in pods}
        now = datetime.now(UTC)
        for uid, one in list(self._left.items()):
            if uid not in found:
                del self._left[uid]
                self.gone.append(one.pod.id)
            elif is_overdue(found[uid], self._options, now):
                del self._left[uid]
                self._staying.append(one.pod)
                self.stay.append(_given_up(found[uid]))
            else:
                one.pod = found[uid]
                if one.pod.stops_by:
                    one.waits(_on_its_way(one.pod))
        for pod in pods:
            if pod.uid not in self._known:
                self._take_latecomer(pod, now)
                self._known.add(pod.uid)

    def _take_latecomer(self, pod: Pod, now: datetime) -> None:
        """The scheduler may have chosen the node just before the cordon; what tolerates a cordon comes again and again."""
        facts = self._facts.model_copy(update={"pods": (pod,)})
        (verdict,) = forecast_drain(self._node, facts, self._options).verdicts
        if verdict.stays_on_cordoned:
            self._staying.append(pod)
            if verdict.treatment is not Treatment.LEAVE:
                self.stay.append(verdict.model_copy(update={"treatment": Treatment.LEAVE, "reason": CAME_AGAIN}))
        elif verdict.treatment is Treatment.BLOCKED:
            raise Refused(
                f"{self._node}: {pod.id} came after the cordon and would never go: {verdict.reason}",
                hint=verdict.next_step,
            )
        elif not parse_node(self._kube.get(f"{NODES}/{self._node}"), None).cordoned:
            raise Refused(
                f"{self._node}: somebody has uncordoned it while it was drained: {pod.id} has come",
                hint="ask who has done it; then run it again",
            )
        else:
            self._left[pod.uid] = _Left(pod, "it came just before the cordon", now)
            self._going.append(pod)

    def _evict(self, one: _Left) -> None:
        """One request; what came of it is seen at the next look."""
        judged = self._ask(one)
        one.tries = one.tries + 1 if judged.outcome is Outcome.AGAIN and not judged.by_budget else 0
        one.due = time.monotonic() + judged.after.total_seconds()
        if judged.outcome is Outcome.HOPELESS:
            raise Refused(f"{self._node}: {one.pod.id} cannot be evicted: {judged.why}", hint=_hint(judged))
        if judged.outcome is not Outcome.AGAIN:
            self.keeps_cordon = True
        elif not (judged.by_budget and one.by_budget):  # or else its figures are there already
            one.waits(judged.why, by_budget=judged.by_budget)

    def _ask(self, one: _Left) -> Judged:
        pod = one.pod
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
        try:
            answer = self._kube.send("POST", path, _eviction(pod, self._options))
            return judge_eviction(answer.status, answer.body, answer.retry_after, one.tries)
        except NotYet as error:
            self.keeps_cordon = True  # it may have been evicted
            return Judged(outcome=Outcome.AGAIN, why=error.problem, after=LOOK_EVERY)

    def _count_budgets(self) -> bool:
        """The figures of those that are waited for, each some seconds."""
        waiting = [one for one in self._left.values() if one.by_budget]
        if not waiting or time.monotonic() < self._budgets_due:
            return True
        self._budgets_due = time.monotonic() + BUDGETS_EVERY.total_seconds()
        spaces = sorted({one.pod.namespace for one in waiting})
        paths = [f"/apis/policy/v1/namespaces/{space}/poddisruptionbudgets" for space in spaces]
        budgets = [parse_budget(raw) for path in paths for raw in self._kube.items(path)]
        for one in waiting:
            for budget in matching(one.pod, budgets):
                one.waits(budget.figures, by_budget=True)
                since = self._waited[budget.id][1] if budget.id in self._waited else one.since
                self._waited[budget.id] = (budget, since, datetime.now(UTC))
        return True

    def _is_detached(self) -> bool:
        """Those of the pods that went, unless a pod that stays has them, too; when their own limit is over it is only told.

        What else is attached (a volume of a DaemonSet's pod, an attachment that its driver has forgotten) is nobody's who went.
        """
        kept = {volume.name for volume in self._volumes_of(self._staying)}
        awaited = {one.name: one for one in self._volumes_of(self._going) if one.name not in kept}
        found = [parse_attachment(raw) for raw in self._kube.items(ATTACHMENTS)] if awaited else []
        here = [one for one in found if one.node == self._node and one.volume in awaited]
        self._attached = {one.name: self._attached.get(one.name, _attached(one)) for one in here}
        now = time.monotonic()
        self._detach_end = self._detach_end or min(now + self._options.detach_limit.total_seconds(), self._end)
        if not here or now < self._detach_end:
            return not here
        self.still_attached = tuple(_not_detached(one, awaited[one.volume]) for one in here)
        for said in self.still_attached:
            limit = self._options.detach_limit.total_seconds()
            log_about(self._node).warning("%s: not waited for any longer, after %.0f s", said, limit)
        return True

    def _volumes_of(self, pods: Iterable[Pod]) -> list[Volume]:
        claims = (f"{pod.namespace}/{claim}" for pod in pods for claim in (*pod.claims, *pod.own_claims))
        return [self._volumes[claim] for claim in claims if claim in self._volumes]

    def _waiting(self) -> tuple[Waiting, ...]:
        pods = [Waiting(what=one.pod.id, why=one.why, since=one.since) for one in self._left.values()]
        silent = [self._silent] if self._silent else []
        return (*silent, *pods, *self._attached.values())

    def _tell(self) -> None:
        """To the listener each time; to the log when it is news, and each half minute."""
        waiting, gone = self._waiting(), len(self.gone)
        self._listener.tell(
            DrainProgress(node=self._node, gone=gone, of=gone + len(self._left), waiting=waiting, until=self._until)
        )
        told = _grouped(waiting)
        if told != self._told or time.monotonic() >= self._told_at + TELL_EVERY.total_seconds():
            self._told, self._told_at = told, time.monotonic()
            for line in told:
                log_about(self._node).info("%d of %d pods are gone; %s", gone, gone + len(self._left), line)

    def _over(self) -> Refused:
        """Not `NotYet`: the limit is the operator's, and a retry would multiply it."""
        of = len(self.gone) + len(self._left)
        return Refused(
            f"{self._node}: not drained within {self._options.limit.total_seconds():.0f} s: {len(self._left)} of {of} pods are "
            f"left: {'; '.join(_grouped(self._waiting()))}",
            hint="help what is named, or give the drain's options a longer limit; then run it again",
        )


def _forecast_before_eviction(kube: KubeClient, node: str, options: DrainOptions) -> tuple[DrainForecast, DrainFacts]:
    """Of what is there now; Refused when a pod would never go."""
    facts: list[DrainFacts] = []

    def look() -> tuple[DrainForecast, ...]:
        facts.append(wait_for(lambda: _facts_of(kube, node), CORDON_LIMIT))
        return (forecast_drain(node, facts[-1], options),)

    (forecast,) = _confirmed(look)
    if blocked := forecast.blocked:
        told = "; ".join(f"{one.pod}: {one.reason}" for one in blocked)
        raise Refused(
            f"{node}: {len(blocked)} of {len(forecast.verdicts)} pods would never go: {told}",
            hint="; ".join(dict.fromkeys(one.next_step for one in blocked)),
        )
    return forecast, facts[-1]


def _confirmed(look: Callable[[], tuple[DrainForecast, ...]]) -> tuple[DrainForecast, ...]:
    found = look()
    if not any(one.blocked for one in found):
        return found
    time.sleep(SECOND_LOOK.total_seconds())
    return look()


def _facts_of(kube: KubeClient, node: str) -> DrainFacts:
    """For one drain: with the pods of this node only."""
    now = datetime.now(UTC)
    paths = (NODES, BUDGETS, DAEMON_SETS, VOLUMES)
    found = dict(zip(paths, on_all(kube.items, paths), strict=True))
    pods = kube.items(PODS, fieldSelector=f"spec.nodeName={node}")
    return _facts(now, found, tuple(parse_pod(raw) for raw in pods))


def _facts(now: datetime, found: dict[str, list[JSON]], pods: tuple[Pod, ...]) -> DrainFacts:
    volumes = (parse_volume(raw) for raw in found[VOLUMES])
    return DrainFacts(
        observed_at=now,
        nodes=parse_nodes(found[NODES], ()),
        pods=pods,
        budgets=tuple(parse_budget(raw) for raw in found[BUDGETS]),
        daemon_sets=tuple(outside.Placed.read(raw, name_of("DaemonSet", raw)).id for raw in found[DAEMON_SETS]),
        volumes=tuple(volume for volume in volumes if volume),
    )


def _cordoned_before(kube: KubeClient, node: str) -> bool:
    told = wait_for(lambda: parse_node(kube.get(f"{NODES}/{node}"), None), CORDON_LIMIT)
    if not told.cordoned:
        raise Refused(
            f"{node}: it is not cordoned: pods would come back", hint="somebody has uncordoned it: run it again"
        )
    return CORDONED_BY not in told.annotations


def _refuse_own_node(kube: KubeClient, node: str) -> None:
    if wait_for(lambda: where_i_run(kube), CORDON_LIMIT) == node:
        raise Refused(
            f"{node}: this worker runs on it, and would evict itself",
            hint="run the worker on another node or outside of the cluster; if it does not run there, set "
            "KUBE_RUNBOOKS_NODE to the name of its own node",
        )


def _give_back(kube: KubeClient, node: str) -> None:
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


def _eviction(pod: Pod, options: DrainOptions) -> JSON:
    delete: JSON = {"preconditions": {"uid": pod.uid}}
    if options.grace_period is not None:
        delete["gracePeriodSeconds"] = int(options.grace_period.total_seconds())
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": delete,
    }


def _on_its_way(pod: Pod) -> str:
    held = f", held by its finalizers {', '.join(pod.finalizers)}" if pod.finalizers else ""
    return f"it has until {_clock(pod.stops_by)} to stop{held}" if pod.stops_by else ""


def _given_up(pod: Pod) -> Verdict:
    return Verdict(pod=pod.id, uid=pod.uid, treatment=Treatment.LEAVE, reason=f"not waited for: {_on_its_way(pod)}")


def _attached(one: Attachment) -> Waiting:
    return Waiting(
        what=f"volume {one.volume or one.name}",
        why=f"it is still attached, by {one.attacher}",
        since=datetime.now(UTC),
    )


def _not_detached(one: Attachment, volume: Volume) -> str:
    return (
        f"volume {volume.name} (claim {volume.claim}) is still attached to {one.node} by {one.attacher} "
        f"(VolumeAttachment {one.name})"
    )


def _hint(judged: Judged) -> str:
    if TWO_BUDGETS in judged.why:
        return "let the selectors of its budgets not overlap; then run it again"
    return "look at the pod and its budget; then run it again"


def _grouped(waiting: Iterable[Waiting]) -> tuple[str, ...]:
    """One line for each reason."""
    ordered = sorted(waiting, key=lambda one: (one.why, one.since, one.what))
    groups = [(why, list(group)) for why, group in groupby(ordered, key=lambda one: one.why)]
    return tuple(
        f"{', '.join(one.what for one in group)}: {why}, waited for since {_clock(group[0].since)}"
        for why, group in groups
    )


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"
