"""Manages the life of a run (docs/architecture.md).

It publishes the plan, journals the steps, and always writes a report.
"""

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, NoReturn, ParamSpec, TypedDict, TypeVar

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import ExternalSignal, Pause
from prefect.flows import FlowStateHook
from pydantic import Field

from tasks.clients.objectstore import ObjectStore
from tasks.cluster import open_cluster
from tasks.core.commands import AGAIN, filled
from tasks.core.errors import FailedForGood, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.base import Duration, Model
from tasks.core.models.plan import Mode, Plan
from tasks.core.models.report import Choice, Done, Outcome, Report
from tasks.core.redaction import redact
from tasks.run import approvals, reports
from tasks.run.again import Again
from tasks.run.markdown import to_question
from tasks.run.models.lock import Holder
from tasks.run.policy.approval import approved_of, settled, what_is_worse
from tasks.run.policy.refusals import refused_by, with_commands
from tasks.run.waiting import shown_waits

P = ParamSpec("P")
R = TypeVar("R")
PlanT = TypeVar("PlanT", bound=Plan)


NO_FLOW = "a runbook is a Prefect flow: call the flow, not its function"

APPROVE_WITHIN = timedelta(hours=24)
"""Limits how long a run waits for a person's approval."""

ApproveWithin = Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=30))]


class Run:
    """Represents a run in progress.

    Its report is also its journal, which is stored at the start of each step.
    """

    def __init__(self, report: Report, again: Again) -> None:
        self.report = report
        self._again = again

    @property
    def run_id(self) -> str:
        """Returns the id of the Prefect flow run, which is the same for every attempt."""
        return self.report.run_id

    def filled(self, text: str) -> str:
        """Returns the text of a rule with the cluster's name and the command of this run in it."""
        return filled(text, self.report.cluster, self._again.command)

    @property
    def again(self) -> str:
        """Returns the command that resumes this run."""
        return self._again.resume

    @property
    def holder(self) -> Holder:
        """Returns what a lock shows about this run, apart from its id."""
        report = self.report
        return Holder(runbook=report.runbook, run_name=report.run_name, started_at=report.started_at)

    def settle(
        self,
        plan: PlanT,
        mode: Mode = Mode.APPLY,
        approve_within: timedelta = APPROVE_WITHIN,
        *,
        after: Plan | None = None,
        choices: Sequence[Choice] = (),
    ) -> PlanT:
        """Publishes a plan before anything changes, stops the run if a rule refuses, and asks for approval if required.

        The returned plan has its digest and the terms under which it was made (the run's parameters, the profile). In
        mode approve the run continues only with an approval of this plan, or of a plan that contains it. Until then the
        run is suspended and has no process. The flow starts from the top when it is resumed, so `settle` comes before
        any action and any lock. A plan without a step needs no approval. A plan that the approved plan `after` has
        announced needs one only if it has a caution or an eviction that people have not seen. The person who approves
        also decides the `choices`; `chosen` has the result.

        Raises `Refused` also when a person rejected the plan.
        """
        handle = open_cluster(self.report.cluster)
        plan = settled(with_commands(plan, self.filled), self.report.runbook, _parameters(), handle.profile)
        self._update(plan=Plan(**{name: getattr(plan, name) for name in Plan.model_fields}))
        reports.show_plan(self.report.runbook, self.report.cluster, plan)
        reports.show_shape(self.report.runbook, self.report.cluster, *handle.known_shapes)
        for caution in plan.cautions:
            next_step = f" ({caution.next_step})" if caution.next_step else ""
            log_about(caution.subject).warning("%s%s", caution.problem, next_step)
        for step in plan.steps:
            log_about(step.subject).info("plan: %s, because %s", step.act, step.reason)
        if plan.refusals:
            problem, hint = refused_by(plan)
            raise Refused(problem, hint=hint)
        if mode is Mode.APPROVE and plan.steps:
            self._need_approval(plan, approve_within, after, choices)
        return plan

    def chosen(self, option: str, *, default: bool) -> bool:
        """Returns what the person who approved chose for an option; else the default."""
        return self.report.approval.choices.get(option, default) if self.report.approval else default

    def who_chose(self, option: str) -> str:
        """Returns the person who chose it with the approval; empty if nobody did."""
        approval = self.report.approval
        return approval.person if approval and option in approval.choices else ""

    def _need_approval(self, plan: Plan, within: timedelta, after: Plan | None, choices: Sequence[Choice]) -> None:
        announced = after is not None and plan.was_announced_by(after)
        news = what_is_worse(plan, approved_of(after)) if after else ()
        if announced and not news:
            log_about(self.report.cluster).info("plan %s was announced by the plan that was approved", plan.digest)
            return
        if problem := approvals.what_forbids_waiting():
            raise Refused(
                f"--mode=approve suspends the run, and {problem}",
                hint=f"{AGAIN} --mode=plan shows the plan, and --mode=apply then acts; a run of a deployment can wait",
            )
        key, answer = approvals.find_answer(self.run_id, plan, self.report.attempt, choices)
        if answer is None:
            self._wait_for_approval(plan, key, within, news, choices)
        self._update(approval=answer)
        if not answer.approved:
            raise Refused(
                f"{answer.sentence}; nothing of it was touched", hint=f"to get a new question: {AGAIN} --mode=approve"
            )
        log_about(self.report.cluster).info("%s", answer.held_for(plan))

    def _wait_for_approval(
        self, plan: Plan, key: str, within: timedelta, news: tuple[str, ...], choices: Sequence[Choice]
    ) -> NoReturn:
        until = f"{datetime.now(UTC) + within:%Y-%m-%d %H:%M:%S} UTC"
        self._update(
            outcome=Outcome.WAITING,
            summary=(
                f"waiting for approval of plan {plan.digest} until {until}; nothing of it was touched",
                "without an answer by then Prefect fails the run; cancelling also ends it; both leave this report as it is",
            ),
            next_step=approvals.how_to_answer(self.run_id),
        )
        _kept(reports.keep_report, self.report)
        reports.show_report(self.report)
        log_about(self.report.cluster).info("%s; %s", self.report.summary[0], self.report.next_step)
        question = redact(to_question(self.report.runbook, self.report.cluster, plan, news, choices))
        approvals.ask(key, question, approved_of(plan), within, choices)

    def take_over(self) -> None:
        """Continues the record of an earlier question, so that its answer is stored in the same place."""
        _kept(self._take_over, self.report)

    def _take_over(self, store: ObjectStore, report: Report) -> None:
        asked = reports.find_report(store, report.cluster, report.runbook, report.run_id)
        if asked and asked.outcome is Outcome.WAITING:
            self._update(started_at=asked.started_at)

    def step(self, act: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs one step, and stores what it found or changed in the report."""
        name = getattr(act, "__name__", type(act).__name__).replace("_", " ")
        self._update(doing=name)
        self._keep_journal()
        started = datetime.now(UTC)
        result = act(*args, **kwargs)
        done = Done(step=name, started_at=started, took=datetime.now(UTC) - started, evidence=_evidence(result))
        self._update(done=(*self.report.done, done), doing="")
        return result

    def way_back(self, advice: str) -> None:
        """Records how to undo this run from here on, in case it does not finish.

        The advice is in the journal, and in any report of a failure.
        """
        self._update(way_back=advice)

    def finish(self, *summary: str) -> Report:
        """Marks the run as completed; `summary` is what an operator reads first."""
        told = tuple(map(self.filled, summary))
        self._update(outcome=Outcome.COMPLETED, summary=told, way_back="", ended_at=datetime.now(UTC))
        return self.report

    def skip(self, *summary: str) -> Report:
        """Marks the run as skipped: there is a reason to do nothing now, and the run succeeds and reports that."""
        told = tuple(map(self.filled, summary))
        self._update(outcome=Outcome.SKIPPED, summary=told, way_back="", ended_at=datetime.now(UTC))
        return self.report

    def _update(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Report
        self.report = self.report.model_copy(update=changes)

    def _keep_journal(self) -> None:
        _kept(reports.keep_journal, self.report)

    def end(self, outcome: Outcome, problem: str = "", next_step: str = "") -> None:
        """Closes and publishes the report."""
        self._update(
            outcome=outcome,
            problem=redact(problem),
            next_step=next_step,
            ended_at=self.report.ended_at or datetime.now(UTC),
        )
        stored = _kept(reports.keep_report, self.report)
        shown = reports.show_report(self.report)
        _ended.append(Ended(self.report, reports.how_to_read(self.report, stored=stored, shown=shown)))


class Ended(NamedTuple):
    """Holds the report of a run that has finished, and where a person finds it."""

    report: Report
    place: str


_ended: deque[Ended] = deque(maxlen=1)


def last_ended() -> Ended | None:
    """Returns the report of the run that finished last in this process; None if there is none.

    A command shows it for a run that raised an exception.
    """
    return _ended[0] if _ended else None


@contextmanager
def runbook(cluster: str, *, needs_etcd_client: bool = True) -> Iterator[Run]:
    """Surrounds the body of a flow: it opens the cluster, checks its keys, and writes the report however the run ends.

    A runbook that does not need the worker's own certificate for etcd begins even if that one has expired.
    """
    run = Run(_fresh_report(cluster), _again())
    log = log_about(cluster)
    try:
        handle = open_cluster(cluster)
        handle.forget_shapes()
        handle.check_credentials(etcd=needs_etcd_client)
        if run.report.attempt > 1 or approvals.goes_on():
            run.take_over()
        with shown_waits(f"{cluster}-{run.report.runbook}", lambda: run.report.doing):
            yield run
    except Refused as error:
        error.hint = run.filled(error.hint)
        log.error("refused: %s", error)  # noqa: TRY400 - the sentence is meant for people
        log.debug("where it was refused:", exc_info=error)
        run.end(Outcome.REFUSED, error.problem, error.hint)
        raise
    except RunbookError as error:
        error.hint = run.filled(error.hint)
        log.error("failed: %s", error)  # noqa: TRY400 - as above
        log.debug("where it failed:", exc_info=error)
        run.end(Outcome.FAILED, error.problem, _then(error, run.again))
        raise
    except Exception as error:
        run.end(Outcome.FAILED, f"{type(error).__name__}: {error}", run.again)
        raise
    except Pause:
        if run.report.outcome is not Outcome.WAITING:
            run.end(Outcome.INTERRUPTED, "somebody suspended the run", f"resume it in the UI (flow run {run.run_id})")
        raise
    except (ExternalSignal, KeyboardInterrupt):
        run.end(Outcome.INTERRUPTED, "the run was stopped", run.again)
        raise
    run.end(run.report.outcome)
    for line in run.report.summary:
        log.info("%s", line)
    log.info("%s. %s", run.report.outcome, _ended[0].place)


def report_end(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Finishes the journal of a cancelled or crashed run; this flow hook runs in another process.

    After a SIGKILL nothing else can do that. The journal shows which step was in progress.
    """
    cluster = str((flow_run.parameters or {}).get("cluster", ""))
    store = open_cluster(cluster).store
    report = reports.find_report(store, cluster, flow.name, str(flow_run.id))
    if report is None or report.outcome not in {Outcome.RUNNING, Outcome.INTERRUPTED, Outcome.WAITING}:
        return
    parameters = flow_run.parameters if flow_run.deployment_id else flow.validate_parameters(flow_run.parameters)
    run = Run(report, Again.of(flow.fn, parameters, flow_run))
    # A worker that cancels calls its hooks while the state is still Cancelling.
    outcome = Outcome.CRASHED if state.is_crashed() else Outcome.CANCELLED
    run.end(outcome, f"the flow run ended as {outcome}: {state.message or ''}", run.again)


class FlowOptions(TypedDict):
    """Defines the options of `@flow` that all runbooks share."""

    validate_parameters: bool
    on_cancellation: list[FlowStateHook[Any, Any]]
    on_crashed: list[FlowStateHook[Any, Any]]


RUNBOOK: FlowOptions = {"validate_parameters": True, "on_cancellation": [report_end], "on_crashed": [report_end]}
"""These are the options that always produce a report: `@flow(name=..., flow_run_name=..., **RUNBOOK)`.

The decorator goes below `@ends_in_words`. There are no `retries`: Prefect does not retry a state that a flow returns,
and would leave the run waiting for that.
"""


def _fresh_report(cluster: str) -> Report:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError(NO_FLOW)
    return Report(
        runbook=context.flow.name if context.flow else "",
        cluster=cluster,
        run_id=str(context.flow_run.id),
        run_name=context.flow_run.name,
        attempt=max(context.flow_run.run_count, 1),
        outcome=Outcome.RUNNING,
        started_at=datetime.now(UTC).replace(microsecond=0),
        mode=str(_parameters().get("mode", "")),
    )


def _again() -> Again:
    context = FlowRunContext.get()
    if context is None or context.flow is None or context.flow_run is None:
        raise RuntimeError(NO_FLOW)
    return Again.of(context.flow.fn, _parameters(), context.flow_run)


def _then(error: RunbookError, again: str) -> str:
    """Returns the next step of a failed run. Its last line also says how to resume the run, unless that would do harm."""
    if isinstance(error, FailedForGood):
        return error.hint
    *lines, last = error.hint.split("\n")
    return "\n".join([*lines, f"{last}; then {again}" if last else again])


def _parameters() -> dict[str, Any]:
    """Returns the parameters of the flow run with the values that the flow works with.

    Prefect has the given values, and the flow has its defaults.
    """
    context = FlowRunContext.get()
    if context is None or context.flow is None:
        return {}
    called = inspect.signature(context.flow.fn).bind_partial(**(context.parameters or {}))
    called.apply_defaults()
    return dict(called.arguments)


def _evidence(result: object) -> dict[str, Any]:
    evidence = result.model_dump(mode="json") if isinstance(result, Model) else {}
    return evidence if isinstance(evidence, dict) else {"result": evidence}


def _kept(keep: Callable[..., None], report: Report) -> bool:
    """Stores the report if possible; if the store fails, the step that needs the store reports it.

    Returns whether the store took it.
    """
    try:
        store = open_cluster(report.cluster).store
        store.check_once()
        keep(store, report)
    except RunbookError as error:
        why = "for the same reason" if error.problem in report.problem else error
        log_about(report.cluster).warning("the report could not be stored: %s", why)
        return False
    return True
