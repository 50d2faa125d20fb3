"""The one retry layer: Prefect's. `NotYet` is tried again until its budget ends, anything else is not."""

from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import RetryConditionCallable

from tasks.core.errors import NotYet


def is_not_yet(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Prefect's question after a failed task: is it worth another try?"""
    del task, task_run
    return isinstance(state.data, NotYet)


class TaskOptions(TypedDict, total=False):
    """Options of `@task` that tasks of a kind share."""

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
"""Reading the world: never cached, a few quick tries (13 s)."""

PATIENT: TaskOptions = OBSERVE | {"retries": 1, "retry_delay_seconds": [5]}
"""Changing the world, and waiting for minutes in itself: one more try is for a connection that was lost."""

ACT: TaskOptions = OBSERVE | {"retries": 5, "retry_delay_seconds": [2, 5, 15, 30, 60]}
"""Changing the world, safe to do twice: tries for about two minutes, so that a member or a store may restart."""
