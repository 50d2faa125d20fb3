"""Drains a node as kubectl does, with a forecast first and one timeout for the node.

The drain is a plain function. A task that takes a node out of service calls it between its gate and its action.
All state of a drain is in the cluster. If an attempt dies, the next one finds the cordon and the pods that are
left.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.waits import LOOK_EVERY, Wait
from tasks.core.words import counted, duration_in_words
from tasks.drain.budgets import AwaitedBudgets
from tasks.drain.cordon import JSON, NODES, is_cordon_of_others, take_cordon_back
from tasks.drain.models import Drained, DrainForecast, DrainOptions, DrainProgress, Treatment, Waiting
from tasks.drain.observe import PODS, forecast_before_eviction, refuse_own_node, with_behind
from tasks.drain.pods import PodsOfNode, PodToGo
from tasks.drain.policy.evictions import Judged, Outcome, judge_eviction
from tasks.drain.policy.forecast import forecast_drain
from tasks.drain.policy.lookup import Lookup
from tasks.drain.policy.operators import held_by_operators, in_vain
from tasks.drain.progress import Listener, grouped, in_words
from tasks.drain.volumes import Detaching
from tasks.nodes.models.pods import DrainFacts, Pod
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.pods import parse_pod
from tasks.run.locks import Check

LOOK_AT_IT = "check the pod and its PodDisruptionBudget; then run it again"
OVERLAP = "change the selectors of its PodDisruptionBudgets so that they do not overlap; then run it again"


def drain(
    kube: KubeClient,
    node: str,
    options: DrainOptions,
    *,
    check: Check = lambda: None,
    on_wait: Listener = lambda _: None,
) -> Drained:
    """Evicts all pods of a cordoned node, and waits until they are gone and their volumes are detached.

    The volumes have a timeout of their own. `check` is called before each round of evictions, and raises if the run may
    not continue. `on_wait` receives every second what the drain waits for. The drain tolerates an unavailable API
    server until the timeout.

    Raises:
        Refused: the node is not cordoned. Or this worker runs on it, or a pod would never go. Then nothing was evicted,
            and the run's cordon is removed again. Or an eviction is hopeless, somebody interferes, or the timeout is
            reached. Then the error names all that is left, and the cordon stays once a pod was evicted. It does not
            stay if an operator did not let the remaining pods go. What is in service there is not kept half out of it.
        NotYet: the API server does not answer before the first eviction, or `check` raises it.
    """
    started = time.monotonic()
    before = is_cordon_of_others(kube, node)
    rounds: _Rounds | None = None
    try:
        refuse_own_node(kube, node)
        forecast, facts = forecast_before_eviction(kube, node, options)
        rounds = _Rounds(kube, forecast, facts, options, check=check, on_wait=on_wait)
        rounds.run()
    except Refused as error:
        if rounds is not None and rounds.keeps_cordon:
            raise
        check()  # whoever has the lock now has the node
        back = take_cordon_back(kube, node)
        if rounds is None or not rounds.was_asked_in_vain:
            raise
        raise Refused(f"{error.problem}; {back}", hint=error.hint) from error
    took = timedelta(seconds=round(time.monotonic() - started, 1))
    done = rounds.drained(cordoned_before=before, took=took)
    log_about(node).info("drained in %s: %d pods are gone, %d stay", took, len(done.evicted), len(done.left))
    return done


class _Rounds:
    """Runs the rounds of a drain, one a second. A round reads all pods of the node, evicts those that are due, and waits."""

    def __init__(  # noqa: PLR0913 - all that a drain is given
        self,
        kube: KubeClient,
        forecast: DrainForecast,
        facts: DrainFacts,
        options: DrainOptions,
        *,
        check: Check,
        on_wait: Listener,
    ) -> None:
        now = datetime.now(UTC)
        self._kube, self._node, self._facts, self._options = kube, forecast.node, facts, options
        self._check, self._on_wait = check, on_wait
        self._until = now + options.timeout
        self._end = time.monotonic() + options.timeout.total_seconds()
        self._pods = PodsOfNode(facts.pods, forecast, now)
        self._budgets = AwaitedBudgets(kube)
        self._detaching = Detaching(kube, forecast.node, facts.volumes, options.detach_timeout)
        self._silent: Waiting | None = None
        """It describes the wait for an API server that does not answer. None if the API server answers."""
        self.keeps_cordon = False
        """True if a pod was evicted, or may have been, or if the run may not continue."""
        self.was_asked_in_vain = False
        """True if the timeout is reached and an operator has not let a pod go."""

    def run(self) -> None:
        """Repeats the rounds until nothing is left or the timeout is reached."""
        with Wait("the drain to end", self._options.timeout, about=self._node) as wait:
            while not self._endured(self._is_done):
                self._tell(wait)
                if wait.is_over:
                    raise self._over()
                if due := self._due():
                    self._check_lock()
                    on_all(self._evict, due)
                    self._endured(self._count_budgets)
                wait.pause()

    def drained(self, *, cordoned_before: bool, took: timedelta) -> Drained:
        """Returns the result of the drain."""
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
        """Returns the result of `look`. An unavailable API server is waited for like a pod, and gives False."""
        try:
            found = look()
        except NotYet as error:
            since = self._silent.since if self._silent else datetime.now(UTC)
            self._silent = Waiting(what="API server", why=error.problem, since=since)
            return False
        self._silent = None
        return found

    def _is_done(self) -> bool:
        """Reads the pods of the node. Once they are gone, it reads the volumes. Returns whether both are done."""
        self._look([parse_pod(raw) for raw in self._kube.items(PODS, fieldSelector=f"spec.nodeName={self._node}")])
        return not self._pods.to_go and self._detaching.is_over(self._pods.asked, self._pods.staying, self._end)

    def _look(self, pods: list[Pod]) -> None:
        now = datetime.now(UTC)
        self._pods.see(pods, self._options, now)
        for pod in self._pods.unknown_of(pods):
            self._take_latecomer(pod, now)

    def _take_latecomer(self, pod: Pod, now: datetime) -> None:
        """Decides about a pod that appeared on the node after the drain began.

        The scheduler may have chosen the node just before the cordon. A pod that tolerates a cordon returns again and
        again.
        """
        facts = self._facts.model_copy(update={"pods": (pod,)})
        facts = with_behind(self._kube, [self._node], facts, self._options)
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
                hint=f"find out who: `kubectl get node {self._node} -o yaml --show-managed-fields`; then run it again",
            )
        else:
            self._pods.let_go(pod, now)

    def _due(self) -> list[PodToGo]:
        """Returns the pods to evict now. It returns none while the API server does not answer: its facts are outdated."""
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
        """Sends one eviction request. The next round sees its effect."""
        judged = _ask(self._kube, one, self._options)
        one.tries = one.tries + 1 if judged.outcome is Outcome.AGAIN and not judged.by_budget else 0
        one.due = time.monotonic() + judged.after.total_seconds()
        if judged.outcome is Outcome.HOPELESS:
            raise Refused(f"{self._node}: {one.pod.id} cannot be evicted: {judged.why}", hint=LOOK_AT_IT)
        if judged.is_unclear and (budgets := self._budgets.more_than_one(one.pod)):
            raise Refused(f"{self._node}: {one.pod.id} cannot be evicted: {budgets}: {judged.why}", hint=OVERLAP)
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

    def _tell(self, wait: Wait) -> None:
        gone, of = len(self._pods.gone), self._pods.all_to_go
        now = DrainProgress(node=self._node, gone=gone, of=of, waiting=self._waiting(), until=self._until)
        self._on_wait(now)
        wait.says(in_words(now))

    def _over(self) -> Refused:
        """Returns the error for a drain that reached its timeout.

        It is not `NotYet`: the operator has set the timeout, and a retry would multiply it.
        """
        remaining, of = len(self._pods.to_go), counted(self._pods.all_to_go, "pod")
        problem = (
            f"{self._node}: not drained within {duration_in_words(self._options.timeout)}: {remaining} of {of} "
            f"{'is' if remaining == 1 else 'are'} left: {'; '.join(grouped(self._waiting()))}"
        )
        held = held_by_operators([one.pod for one in self._pods.to_go if one.was_refused], self._lookup())
        if not held:
            return Refused(problem, hint="unblock the pods listed, or raise --timeout; then run it again")
        self.keeps_cordon, self.was_asked_in_vain = False, True
        return Refused(f"{problem}; {'; '.join(one.text for one in held)}", hint=in_vain(held))

    def _lookup(self) -> Lookup:
        facts = self._facts.model_copy(update={"pods": tuple(one.pod for one in self._pods.to_go)})
        return Lookup(with_behind(self._kube, [self._node], facts, self._options), self._options)


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
