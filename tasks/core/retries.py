"""Holds the one retry layer, which is Prefect's.

It retries only `NotYet`, until the attempts of the task are used up. It never retries a wait that `TimedOut`.
"""

from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import RetryConditionCallable

from tasks.core.errors import NotYet, TimedOut


def is_not_yet(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Answers Prefect's question after a failed task: whether it is worth another attempt."""
    del task, task_run
    return isinstance(state.data, NotYet) and not isinstance(state.data, TimedOut)


class TaskOptions(TypedDict, total=False):
    """These are the options of `@task` that tasks of one kind share."""

    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: RetryConditionCallable
    persist_result: bool
    cache_policy: CachePolicy


OBSERVE: TaskOptions = {
    "retries": 3,
    "retry_delay_seconds": [1, 3, 9],
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": is_not_yet,
    "persist_result": False,
    "cache_policy": NO_CACHE,
}
"""These options are for tasks that only read: never cached, a few quick retries (13 s)."""

PATIENT: TaskOptions = OBSERVE | {"retries": 1, "retry_delay_seconds": [5]}
"""These options are for tasks that make changes and wait for minutes themselves.

Prefect retries them once, for a lost connection, and not for a wait that timed out.
"""

ACT: TaskOptions = OBSERVE | {"retries": 5, "retry_delay_seconds": [2, 5, 15, 30, 60]}
"""These options are for tasks that make changes and are safe to run twice.

They retry for about two minutes, so that a member or a store may restart.
"""
