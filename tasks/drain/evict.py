"""A drain: as kubectl does it, with a forecast before, and one limit for the node.

A plain function: a task that takes a node out of service calls it, between its gate and its act. What a drain knows is in
the cluster: an attempt that died is done again by another one, which finds the cordon, and the pods that are left.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.core.at_once import LOOK_EVERY, on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.drain.budgets import AwaitedBudgets
from tasks.drain.cordon import JSON, NODES, is_cordon_of_others, take_cordon_back
from tasks.drain.models import Drained, DrainForecast, DrainOptions, DrainProgress, Treatment, Waiting
from tasks.drain.observe import PODS, forecast_before_eviction, refuse_own_node
from tasks.drain.pods import PodsOfNode, PodToGo
from tasks.drain.policy.evictions import TWO_BUDGETS, Judged, Outcome, judge_eviction
from tasks.drain.policy.forecast import forecast_drain
from tasks.drain.progress import Tell, Teller, grouped
from tasks.drain.volumes import Detaching
from tasks.nodes.models.pods import DrainFacts, Pod
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.pods import parse_pod
from tasks.run.locks import Check


def drain(
    kube: KubeClient,
    node: str,
    options: DrainOptions,
    *,
    check: Check = lambda: None,
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
    before = is_cordon_of_others(kube, node)
    rounds: _Rounds | None = None
    try:
        refuse_own_node(kube, node)
        forecast, facts = forecast_before_eviction(kube, node, options)
        rounds = _Rounds(kube, forecast, facts, options, check=check, on_wait=on_wait)
        rounds.run()
    except Refused:
        if rounds is None or not rounds.keeps_cordon:
            check()  # whoever has the lock now has the node
            take_cordon_back(kube, node)
        raise
    took = timedelta(seconds=round(time.monotonic() - started, 1))
    done = rounds.drained(cordoned_before=before, took=took)
    log_about(node).info("drained in %s: %d pods are gone, %d stay", took, len(done.evicted), len(done.left))
    return done


class _Rounds:
    """Of one second: look at all pods of the node at once, evict those that are due, wait."""

    def __init__(  # noqa: PLR0913 - all that a drain is given
        self,
        kube: KubeClient,
        forecast: DrainForecast,
        facts: DrainFacts,
        options: DrainOptions,
        *,
        check: Check,
        on_wait: Tell,
    ) -> None:
        now = datetime.now(UTC)
        self._kube, self._node, self._facts, self._options = kube, forecast.node, facts, options
        self._check, self._teller = check, Teller(on_wait)
        self._until = now + options.limit
        self._end = time.monotonic() + options.limit.total_seconds()
        self._pods = PodsOfNode(facts.pods, forecast, now)
        self._budgets = AwaitedBudgets(kube)
        self._detaching = Detaching(kube, forecast.node, facts.volumes, options.detach_limit)
        self._silent: Waiting | None = None
        """An API server that does not answer."""
        self.keeps_cordon = False
        """Something was evicted, or the run may not go on."""

    def run(self) -> None:
        """Until nothing is left, or the limit is over."""
        while not self._endured(self._is_done):
            self._tell()
            if time.monotonic() >= self._end:
                raise self._over()
            if due := self._due():
                self._check_lock()
                on_all(self._evict, due)
                self._endured(self._count_budgets)
            time.sleep(LOOK_EVERY.total_seconds())

    def drained(self, *, cordoned_before: bool, took: timedelta) -> Drained:
        """What came of it."""
        return Drained(
            node=self._node,
            cordoned_before=cordoned_before,
            evicted=tuple(self._pods.gone),
            left=tuple(f"{one.pod}: {one.reason}" for one in self._pods.why_they_stay),
            waited_for=self._budgets.in_words,
            still_attached=self._detaching.still_attached,
            took=took,
        )

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
        return not self._pods.to_go and self._detaching.is_over(self._pods.asked, self._pods.staying, self._end)

    def _look(self, pods: list[Pod]) -> None:
        now = datetime.now(UTC)
        self._pods.see(pods, self._options, now)
        for pod in self._pods.unknown_of(pods):
            self._take_latecomer(pod, now)

    def _take_latecomer(self, pod: Pod, now: datetime) -> None:
        """The scheduler may have chosen the node just before the cordon; what tolerates a cordon comes again and again."""
        facts = self._facts.model_copy(update={"pods": (pod,)})
        (verdict,) = forecast_drain(self._node, facts, self._options).verdicts
        if verdict.stays_on_cordoned:
            self._pods.let_be(pod, verdict)
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
            self._pods.let_go(pod, now)

    def _due(self) -> list[PodToGo]:
        """Nothing while nobody answers: what is known then is old."""
        now = time.monotonic()
        due = [one for one in self._pods.to_go if one.pod.stops_by is None and one.due <= now]
        return [] if self._silent else due

    def _check_lock(self) -> None:
        try:
            self._check()
        except RunbookError:
            self.keeps_cordon = True
            raise

    def _evict(self, one: PodToGo) -> None:
        """One request; what came of it is seen at the next look."""
        judged = _ask(self._kube, one, self._options)
        one.tries = one.tries + 1 if judged.outcome is Outcome.AGAIN and not judged.by_budget else 0
        one.due = time.monotonic() + judged.after.total_seconds()
        if judged.outcome is Outcome.HOPELESS:
            raise Refused(f"{self._node}: {one.pod.id} cannot be evicted: {judged.why}", hint=_hint(judged))
        if judged.may_be_going:
            self.keeps_cordon = True
        if judged.outcome is Outcome.AGAIN and not (judged.by_budget and one.by_budget):  # else its figures are there
            one.waits(judged.why, datetime.now(UTC), by_budget=judged.by_budget)

    def _count_budgets(self) -> bool:
        self._budgets.count(self._pods.to_go)
        return True

    def _waiting(self) -> tuple[Waiting, ...]:
        silent = [self._silent] if self._silent else []
        return (*silent, *(one.waiting for one in self._pods.to_go), *self._detaching.waiting)

    def _tell(self) -> None:
        gone, of = len(self._pods.gone), self._pods.all_to_go
        self._teller.tell(DrainProgress(node=self._node, gone=gone, of=of, waiting=self._waiting(), until=self._until))

    def _over(self) -> Refused:
        """Not `NotYet`: the limit is the operator's, and a retry would multiply it."""
        limit, remaining = self._options.limit.total_seconds(), len(self._pods.to_go)
        return Refused(
            f"{self._node}: not drained within {limit:.0f} s: {remaining} of {self._pods.all_to_go} pods are "
            f"left: {'; '.join(grouped(self._waiting()))}",
            hint="help what is named, or give the drain's options a longer limit; then run it again",
        )


def _ask(kube: KubeClient, one: PodToGo, options: DrainOptions) -> Judged:
    pod = one.pod
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
    try:
        answer = kube.send("POST", path, _eviction(pod, options))
        return judge_eviction(answer.status, answer.body, answer.retry_after, one.tries)
    except NotYet as error:
        return Judged(outcome=Outcome.AGAIN, why=error.problem, after=LOOK_EVERY, unanswered=True)


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


def _hint(judged: Judged) -> str:
    if TWO_BUDGETS in judged.why:
        return "let the selectors of its budgets not overlap; then run it again"
    return "look at the pod and its budget; then run it again"
