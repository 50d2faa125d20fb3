"""Asks for approval before anything changes: the run suspends with its plan in a form, and reads the answer later.

A suspended run has no process. When it is resumed, the flow starts from the top, observes and plans again. Prefect
keeps an answer with its flow run. Its key has the digest of the plan that the answer was given for. The answer holds
for this plan, and for a plan that is a part of it. No other run finds it.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple, NoReturn
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import create_flow_run_input, read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.utilities.urls import url_for
from pydantic import Field, ValidationError, create_model

from tasks.core.models.findings import Problem
from tasks.core.models.plan import Plan
from tasks.core.models.report import Approval, Choice
from tasks.run.policy.approval import Approved, is_part_of

MOST = 1000
"""Limits how many questions of one run are searched."""


class ApprovalForm(RunInput):
    """Defines the form that a person fills in.

    An empty answer, as from a tool that only resumes the run, is the safe one.
    """

    decision: Literal["abort", "approve"] = Field(
        default="abort",
        description="approve: do this plan, or what is left of it; abort: touch nothing, the run is refused",
    )
    who: str = Field(default="", max_length=100, description="your name, for the report: Prefect does not know it")
    reason: str = Field(default="", max_length=200, description="for the report")


def form_with(choices: Sequence[Choice]) -> type[ApprovalForm]:
    """Returns the form with a field for each choice, whose default is the value of the option."""
    fields: dict[str, Any] = {one.name: (bool, Field(default=one.default, description=one.asks)) for one in choices}
    return create_model(ApprovalForm.__name__, __base__=ApprovalForm, **fields) if fields else ApprovalForm


def what_forbids_waiting() -> Problem | None:
    """Returns why this run cannot be suspended, because nothing could resume it; None if it can."""
    run = FlowRunContext.get()
    if run is None or run.flow_run is None or run.flow_run.deployment_id is None:
        return Problem(text="it was not started from a deployment")
    return Problem(text="it is a part of another run") if run.flow_run.parent_task_run_id else None


def goes_on() -> bool:
    """Checks whether this run asked a question or was suspended since it last finished.

    Prefect counts no new attempt in that case.
    """
    run = FlowRunContext.get()
    policy = run.flow_run.empirical_policy if run and run.flow_run else None
    return bool(policy and policy.pause_keys)


class Question(NamedTuple):
    """Identifies a question that this run asked before."""

    attempt: int
    digest: str
    key: str


def find_answer(run_id: str, plan: Plan, attempt: int, choices: Sequence[Choice] = ()) -> tuple[str, Approval | None]:
    """Returns the key of this attempt's question about this plan, and the answer if there is one.

    An earlier approval still holds. A resumed run is the same attempt, and a retried run is the next attempt. The next
    attempt asks again if the plan was denied or the question never answered. A denial also withdraws earlier approvals.
    """
    key = _key(plan.digest, attempt)
    with get_client(sync_client=True) as client:
        policy = client.read_flow_run(UUID(run_id)).empirical_policy
        kept = client.filter_flow_run_input(UUID(run_id), key_prefix=_plan_key("plan-"), limit=MOST, exclude_keys=set())
    if policy and key in (policy.pause_keys or ()):  # asked, and it goes on: an empty answer leaves no other trace
        return key, _answer_to(key, plan.digest, choices)
    asked = _questions(one.key for one in kept)
    answers = {one: _answer_to(one.key, one.digest, choices) for one in asked}
    last_no = max((one.attempt for one, answer in answers.items() if not answer.approved), default=0)
    hold = [one for one in asked if one.attempt > last_no and answers[one].approved]
    return key, next((answers[one] for one in hold if one.digest == plan.digest or _covers(one, plan)), None)


def ask(key: str, question: str, approved: Approved, within: timedelta, choices: Sequence[Choice] = ()) -> NoReturn:
    """Suspends the run with the question (Markdown) in its form, and ends this process by Prefect's own signal.

    It stores what an answer would cover beside the question.
    """
    if read_flow_run_input(_plan_key(key)) is None:
        create_flow_run_input(_plan_key(key), approved.model_dump(mode="json"))
    form = form_with(choices).with_initial_data(description=question)
    suspend_flow_run(wait_for_input=form, timeout=int(within.total_seconds()), key=key)
    raise RuntimeError("the run was to be suspended, and it was not")


def how_to_answer(run_id: str) -> str:
    """Returns the next step for the person who approves: the command, and the form that does the same."""
    page = url_for("flow-run", obj_id=run_id)
    form = f", or Resume in the UI at {page}" if page else ""
    return f"read the plan and answer: kube-runbooks approve {run_id}, or kube-runbooks deny {run_id}{form}"


def _key(digest: str, attempt: int) -> str:
    return f"plan-{digest}-{attempt}"


def _plan_key(key: str) -> str:
    return f"covered-by-{key}"


def _questions(keys: Iterable[str]) -> list[Question]:
    """Returns all questions that this run asked, the newest attempt first.

    Prefect forgets its own list of pauses when the UI retries a run.
    """
    found = (re.fullmatch(r"plan-([0-9a-f]+)-(\d+)", key.removeprefix(_plan_key(""))) for key in keys)
    return sorted((Question(int(one[2]), one[1], one[0]) for one in found if one), reverse=True)


def _covers(question: Question, plan: Plan) -> bool:
    """Checks whether the plan is a part of the plan in the question.

    It is False if another version wrote that plan.
    """
    kept: Any = read_flow_run_input(_plan_key(question.key))
    try:
        return kept is not None and is_part_of(plan, Approved.model_validate(kept))
    except ValidationError:
        return False


def _answer_to(key: str, digest: str, choices: Sequence[Choice]) -> Approval:
    """Returns the answer to a question; it is an abort if there is no answer or if the answer does not fit the form.

    Someone who writes the answer by hand may bypass Prefect's own check.
    """
    told: Any = read_flow_run_input(keyset_from_base_key(f"suspended-{key}")["response"])
    try:
        form = form_with(choices).model_validate(told or {})
    except ValidationError:
        return Approval(plan=digest, approved=False, reason="the answer does not fit the form")
    chosen = {one.name: getattr(form, one.name) for one in choices if one.name in form.model_fields_set}
    decided = form.decision == "approve"
    return Approval(plan=digest, approved=decided, who=form.who, reason=form.reason, choices=chosen)
