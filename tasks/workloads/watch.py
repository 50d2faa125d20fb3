"""Watches the rollouts of a group until they are proven, or until a cause is final."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all
from tasks.core.errors import FailedForGood, NotYet, Refused, TimedOut
from tasks.core.waits import CLOCK, Clock
from tasks.workloads.models.names import Ref
from tasks.workloads.models.state import Trouble, Workload
from tasks.workloads.observe import with_log, with_pods
from tasks.workloads.policy.causes import causes_in_words, causes_of_failure, is_final, troubles_of
from tasks.workloads.policy.hints import history_shows, status_says_why
from tasks.workloads.policy.rollout import standing_of
from tasks.workloads.policy.templates import digest_of_template
from tasks.workloads.probes.targets import template_of

JSON = dict[str, Any]


class RolloutFailed(FailedForGood):
    """A rollout cannot finish, or did not finish in time."""


class Unfinished(NotYet):
    """A rollout is not finished yet."""


class Watch:
    """Watches workloads. It remembers since when each cause is there, by its own clock."""

    def __init__(  # noqa: PLR0913 - what is watched, and what is known of before
        self,
        kube: KubeClient,
        expected: Mapping[Ref, str],
        known: frozenset[str] = frozenset(),
        *,
        restarts: Mapping[str, int] | None = None,
        logs: bool = False,
        clock: Clock = CLOCK,
    ) -> None:
        """Stores what is watched.

        Args:
            kube: the API
            expected: the digest of the template of each workload
            known: events from before the change
            restarts: restarts of containers, by `pod uid/name`, from before the change
            logs: whether a failure shows the last lines of a log
            clock: the clock that measures how long a cause is there
        """
        self._before = dict(restarts or {})
        self.kube = kube
        self._expected = dict(expected)
        self._known = known
        self._logs = logs
        self._clock = clock
        self._since: dict[tuple[Ref, str, str], float] = {}
        self._restarts: dict[str, int] | None = None

    def look(self) -> list[Workload]:
        """Returns all workloads if each is finished and nothing has restarted since the last look.

        Raises:
            Unfinished: one is not finished; with what is missing and why.
            RolloutFailed: a cause is final.
            Refused: somebody else changed a template meanwhile.
        """
        found = on_all(self._read, list(self._expected))
        missing = [problem for one in found if (problem := self.judge(one))]
        restarted = self._what_restarted(found)
        if missing or restarted:
            raise Unfinished("; ".join([*missing, *restarted]), hint=status_says_why(next(iter(self._expected))))
        return found

    def _read(self, ref: Ref) -> Workload:
        raw = self.kube.find(ref.path)
        if raw is None:
            raise Refused(f"{ref.id}: it was deleted during the rollout", hint="create it again, then start a new run")
        if digest_of_template(template_of(raw)) != self._expected[ref]:
            raise Refused(
                f"{ref.id}: somebody else changed its template during the rollout; nothing is put back",
                hint=history_shows(ref, "who"),
            )
        return self._without_old_restarts(with_pods(self.kube, ref, raw, self._known))

    def _without_old_restarts(self, one: Workload) -> Workload:
        pods = tuple(
            pod.model_copy(
                update={
                    "containers": tuple(
                        each.model_copy(
                            update={"restarts": each.restarts - self._before.get(f"{pod.uid}/{each.name}", 0)}
                        )
                        for each in pod.containers
                    )
                }
            )
            for pod in one.pods
        )
        return one.model_copy(update={"pods": pods})

    def judge(self, one: Workload) -> str:
        """Returns what is missing; empty if it is finished."""
        standing = standing_of(one)
        troubles = () if standing.done else troubles_of(one)
        final = [each for each in troubles if is_final(each, self._seen(one.ref, each), pods_leave=one.pods_leave)]
        self._forget(one.ref, troubles)
        if final or standing.failed:
            causes = causes_of_failure(final, troubles)
            raise RolloutFailed(f"{one.ref.id}: {standing.problem}: {self._words(one, causes)}")
        if standing.done and one.old_pods and not one.partition:
            return f"{one.ref.id}: {len(one.old_pods)} old pods are still there"
        said = "" if standing.done else standing.problem
        why = f" ({self._sentence(troubles)})" if troubles and said else ""
        return f"{one.ref.id}: {said}{why}" if said else ""

    def _words(self, one: Workload, troubles: Sequence[Trouble]) -> str:
        if not self._logs:
            return self._sentence(troubles)
        logged = [with_log(self.kube, one.ref.namespace, each) for each in troubles[:1]]
        lines = [line for each in logged for line in each.log]
        return self._sentence(troubles) + (f"; its log: {' / '.join(lines)}" if lines else "")

    @staticmethod
    def _sentence(troubles: Sequence[Trouble]) -> str:
        return causes_in_words(troubles) or "its controller gave no reason"

    def _seen(self, ref: Ref, trouble: Trouble) -> timedelta:
        """Returns how long a cause has been there without a break. Pods come and go; the cause of a container stays."""
        key = (ref, trouble.cause.value, trouble.container)
        began = self._since.setdefault(key, self._clock.seconds())
        return timedelta(seconds=self._clock.seconds() - began)

    def _forget(self, ref: Ref, troubles: Sequence[Trouble]) -> None:
        there = {(ref, each.cause.value, each.container) for each in troubles}
        self._since = {key: began for key, began in self._since.items() if key[0] != ref or key in there}

    def _what_restarted(self, found: Sequence[Workload]) -> list[str]:
        """Returns which pods have restarted since the last look, so that the time without a restart begins again."""
        now = {pod.uid: pod.restarts for one in found for pod in one.new_pods}
        before, self._restarts = self._restarts, now
        if before is None:
            return []
        names = {pod.uid: pod.name for one in found for pod in one.new_pods}
        return [
            f"pod {names[uid]} has restarted, {count} times by now"
            for uid, count in now.items()
            if count > before.get(uid, count)
        ]


def failed_at_limit(error: TimedOut) -> RolloutFailed | None:
    """Returns the failure if a rollout was not finished at its limit; None if something else did not answer."""
    cause = error.__cause__
    return RolloutFailed(error.problem) if isinstance(cause, Unfinished) else None
