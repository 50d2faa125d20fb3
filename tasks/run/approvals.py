"""A person's word before anything is touched: the run suspends with its plan in a form, and is told the answer later.

A suspended run has no process. Once it is resumed, the flow starts from the top, observes and plans again. Prefect keeps an
answer with its flow run, under a key with the digest of the plan that it was given for. It is found for this plan, and for
one that is a part of it; no other run finds it.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, NamedTuple, NoReturn
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import create_flow_run_input, read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for
from pydantic import Field, ValidationError

from tasks.core.models.findings import Problem
from tasks.core.models.plan import Plan
from tasks.core.models.report import Approval
from tasks.run.policy.approval import Approved, is_part_of

MOST = 1000
"""Questions of one run that are looked through."""


class ApprovalForm(RunInput):
    """What a person fills in. An empty answer, as of a tool that only says "go on", is the safe one."""

    decision: Literal["abort", "approve"] = Field(
        default="abort",
        description="approve: do this plan, or what is left of it; abort: touch nothing, the run is refused",
    )
    who: str = Field(default="", max_length=100, description="your name, for the report: Prefect does not know it")
    reason: str = Field(default="", max_length=200, description="for the report")


def what_forbids_waiting() -> Problem | None:
    """Why this run cannot be suspended, since nothing could start it again; none when it can."""
    run = FlowRunContext.get()
    if run is None or run.flow_run is None or run.flow_run.deployment_id is None:
        return Problem(text="it was not started from a deployment")
    return Problem(text="it is a part of another run") if run.flow_run.parent_task_run_id else None


def goes_on() -> bool:
    """Did this run ask, or was it suspended, since it last ended? Prefect counts no new attempt then."""
    run = FlowRunContext.get()
    policy = run.flow_run.empirical_policy if run and run.flow_run else None
    return bool(policy and policy.pause_keys)


class Question(NamedTuple):
    """What this run has asked before."""

    attempt: int
    digest: str
    key: str


def find_answer(run_id: str, plan: Plan, attempt: int) -> tuple[str, Approval | None]:
    """The key of this attempt's question about this plan, and its answer if there is one; an earlier approval holds.

    A resumed run is the same attempt, a retried one is the next: it asks again what was aborted, or never answered. Whoever
    aborts takes back what was approved before, too.
    """
    key = _key(plan.digest, attempt)
    with get_client(sync_client=True) as client:
        policy = client.read_flow_run(UUID(run_id)).empirical_policy
        kept = client.filter_flow_run_input(UUID(run_id), key_prefix=_plan_key("plan-"), limit=MOST, exclude_keys=set())
    if policy and key in (policy.pause_keys or ()):  # asked, and it goes on: an empty answer leaves no other trace
        return key, _answer_to(key, plan.digest)
    asked = _questions(one.key for one in kept)
    answers = {one: _answer_to(one.key, one.digest) for one in asked}
    last_no = max((one.attempt for one, answer in answers.items() if not answer.approved), default=0)
    hold = [one for one in asked if one.attempt > last_no and answers[one].approved]
    return key, next((answers[one] for one in hold if one.digest == plan.digest or _covers(one, plan)), None)


def ask(key: str, question: str, approved: Approved, within: timedelta) -> NoReturn:
    """Suspends the run with the question (Markdown) in its form, and ends this process of it by Prefect's own signal.

    What an answer would cover is kept beside it.
    """
    if read_flow_run_input(_plan_key(key)) is None:
        create_flow_run_input(_plan_key(key), approved.model_dump(mode="json"))
    form = ApprovalForm.with_initial_data(description=question)
    suspend_flow_run(wait_for_input=form, timeout=int(within.total_seconds()), key=key)
    raise RuntimeError("the run was to be suspended, and it was not")


def how_to_answer(run_id: str) -> str:
    """The next step: the form, and the request that does the same."""
    page = url_for("flow-run", obj_id=run_id) or f"flow run {run_id}"
    api = get_current_settings().api.url or "$PREFECT_API_URL"
    answer = '{"run_input": {"decision": "approve", "who": "YOUR NAME", "reason": "WHY"}}'
    return (
        f"read the plan, then Resume in the UI at {page}; or: curl -X POST {api}/flow_runs/{run_id}/resume "
        f"-H 'Content-Type: application/json' -d '{answer}' (its answer has the status ACCEPT, or says what is wrong)"
    )


def _key(digest: str, attempt: int) -> str:
    return f"plan-{digest}-{attempt}"


def _plan_key(key: str) -> str:
    return f"covered-by-{key}"


def _questions(keys: Iterable[str]) -> list[Question]:
    """All that this run has asked, the newest attempt first. Prefect forgets its own list of pauses when the UI retries a run."""
    found = (re.fullmatch(r"plan-([0-9a-f]+)-(\d+)", key.removeprefix(_plan_key(""))) for key in keys)
    return sorted((Question(int(one[2]), one[1], one[0]) for one in found if one), reverse=True)


def _covers(question: Question, plan: Plan) -> bool:
    """Whether the plan is a part of the one that was asked about; not where another version wrote that one down."""
    kept: Any = read_flow_run_input(_plan_key(question.key))
    try:
        return kept is not None and is_part_of(plan, Approved.model_validate(kept))
    except ValidationError:
        return False


def _answer_to(key: str, digest: str) -> Approval:
    """Abort where there is none, or none that fits the form: Prefect's own check may be passed by whoever writes it by hand."""
    told: Any = read_flow_run_input(keyset_from_base_key(f"suspended-{key}")["response"])
    try:
        form = ApprovalForm.model_validate(told or {})
    except ValidationError:
        return Approval(plan=digest, approved=False, reason="the answer does not fit the form")
    return Approval(plan=digest, approved=form.decision == "approve", who=form.who, reason=form.reason)
