"""The life of a run: plan published, steps journaled, and a report whatever happens (docs/architecture.md)."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn, ParamSpec, TypedDict, TypeVar

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import ExternalSignal, Pause
from prefect.flows import FlowStateHook
from pydantic import Field

from tasks.clients.objectstore import ObjectStore
from tasks.cluster import open_cluster
from tasks.core.errors import Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.base import Duration, Model
from tasks.core.models.plan import Mode, Plan
from tasks.core.models.report import Done, Outcome, Report
from tasks.core.redaction import redact
from tasks.run import approvals, reports
from tasks.run.models.lock import Holder
from tasks.run.policy.approval import approved_of, settled, what_is_worse

P = ParamSpec("P")
R = TypeVar("R")
PlanT = TypeVar("PlanT", bound=Plan)


APPROVE_WITHIN = timedelta(hours=24)
"""How long a person is waited for."""

ApproveWithin = Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=30))]


class Run:
    """A run under way. Its report is its journal too: kept in the store at the start of each step."""

    def __init__(self, report: Report) -> None:
        self.report = report

    @property
    def run_id(self) -> str:
        """The Prefect flow run's id, the same for every attempt."""
        return self.report.run_id

    @property
    def holder(self) -> Holder:
        """What a lock says about this run, beside its id."""
        report = self.report
        return Holder(runbook=report.runbook, run_name=report.run_name, started_at=report.started_at)

    def settle(
        self,
        plan: PlanT,
        mode: Mode = Mode.APPLY,
        approve_within: timedelta = APPROVE_WITHIN,
        *,
        after: Plan | None = None,
    ) -> PlanT:
        """Publishes a plan before anything is touched, stops the run when a rule says no, and asks if it is to ask.

        The plan that it returns has the terms that it was made under (the run's parameters, the profile) and its digest. In
        mode approve the run goes on only with an approval of this plan, or of one that it is a part of. Until then the run is
        suspended and has no process; the flow starts from the top when it is resumed, so `settle` stands before any act and
        any lock. A plan without a step needs no approval, and one that the approved plan `after` has announced needs one only
        if it has a caution or an eviction that people have not seen.

        Raises `Refused` also when a person said no.
        """
        plan = settled(plan, self.report.runbook, _parameters(), open_cluster(self.report.cluster).profile)
        self._update(plan=Plan(**{name: getattr(plan, name) for name in Plan.model_fields}))
        reports.show_plan(self.report.runbook, self.report.cluster, plan)
        for caution in plan.cautions:
            next_step = f" ({caution.next_step})" if caution.next_step else ""
            log_about(caution.subject).warning("%s%s", caution.problem, next_step)
        for step in plan.steps:
            log_about(step.subject).info("plan: %s, because %s", step.act, step.reason)
        if plan.refusals:
            problems = "; ".join(f"{refusal.subject}: {refusal.problem}" for refusal in plan.refusals)
            raise Refused(problems, hint="; ".join(dict.fromkeys(refusal.next_step for refusal in plan.refusals)))
        if mode is Mode.APPROVE and plan.steps:
            self._need_approval(plan, approve_within, after)
        return plan

    def _need_approval(self, plan: Plan, within: timedelta, after: Plan | None) -> None:
        announced = after is not None and plan.was_announced_by(after)
        news = what_is_worse(plan, approved_of(after)) if after else ()
        if announced and not news:
            log_about(self.report.cluster).info("plan %s was announced by the plan that was approved", plan.digest)
            return
        if problem := approvals.what_forbids_waiting():
            raise Refused(
                f"mode=approve suspends the run, and {problem}",
                hint="start it from its deployment; or run it with mode=plan, read the plan, and then with mode=apply",
            )
        key, answer = approvals.find_answer(self.run_id, plan, self.report.attempt)
        if answer is None:
            self._wait_for_approval(plan, key, within, news)
        self._update(approval=answer)
        if not answer.approved:
            raise Refused(f"{answer.sentence}; nothing of it was touched", hint="to be asked again, start it again")
        part = "" if answer.plan == plan.digest else f"; plan {plan.digest} is a part of it"
        log_about(self.report.cluster).info("%s%s", answer.sentence, part)

    def _wait_for_approval(self, plan: Plan, key: str, within: timedelta, news: tuple[str, ...]) -> NoReturn:
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
        question = redact(reports.to_question(self.report.runbook, self.report.cluster, plan, news))
        approvals.ask(key, question, approved_of(plan), within)

    def take_over(self) -> None:
        """The record of a question goes on as this one's, so that its answer stands in the same place."""
        _kept(self._take_over, self.report)

    def _take_over(self, store: ObjectStore, report: Report) -> None:
        asked = reports.find_report(store, report.cluster, report.runbook, report.run_id)
        if asked and asked.outcome is Outcome.WAITING:
            self._update(started_at=asked.started_at)

    def step(self, act: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Does one step, and keeps what it found or changed as evidence."""
        name = getattr(act, "__name__", type(act).__name__).replace("_", " ")
        self._update(doing=name)
        self._keep_journal()
        started = datetime.now(UTC)
        result = act(*args, **kwargs)
        done = Done(step=name, started_at=started, took=datetime.now(UTC) - started, evidence=_evidence(result))
        self._update(done=(*self.report.done, done), doing="")
        return result

    def way_back(self, advice: str) -> None:
        """What undoes this run from here on, if it does not reach its end: in the journal, and in any report of a failure."""
        self._update(way_back=advice)

    def finish(self, *summary: str) -> Report:
        """The run reached its end; `summary` is what an operator reads first."""
        self._update(outcome=Outcome.COMPLETED, summary=summary, way_back="", ended_at=datetime.now(UTC))
        return self.report

    def skip(self, *summary: str) -> Report:
        """There is a reason to do nothing now: the run ends well, and says so."""
        self._update(outcome=Outcome.SKIPPED, summary=summary, way_back="", ended_at=datetime.now(UTC))
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
        _kept(reports.keep_report, self.report)
        reports.show_report(self.report)


@contextmanager
def runbook(cluster: str, *, needs_etcd_client: bool = True) -> Iterator[Run]:
    """Around the body of a flow: its cluster is known, its keys are in order, and its report is written at every end.

    One that does not need the worker's own certificate for etcd begins also where that one has expired.
    """
    run = Run(_fresh_report(cluster))
    log = log_about(cluster)
    again = f"prefect flow-run retry {run.run_id}"
    try:
        open_cluster(cluster).check_credentials(etcd=needs_etcd_client)
        if run.report.attempt > 1 or approvals.goes_on():
            run.take_over()
        yield run
    except Refused as error:
        log.error("refused: %s", error)  # noqa: TRY400 - the sentence is meant for people, Prefect logs the traceback
        run.end(Outcome.REFUSED, error.problem, error.hint)
        raise
    except RunbookError as error:
        log.error("failed: %s", error)  # noqa: TRY400 - as above
        run.end(Outcome.FAILED, error.problem, f"{error.hint}; then {again}" if error.hint else again)
        raise
    except Exception as error:
        run.end(Outcome.FAILED, f"{type(error).__name__}: {error}", again)
        raise
    except Pause:
        if run.report.outcome is not Outcome.WAITING:
            run.end(Outcome.INTERRUPTED, "somebody suspended the run", f"resume it in the UI (flow run {run.run_id})")
        raise
    except (ExternalSignal, KeyboardInterrupt):
        run.end(Outcome.INTERRUPTED, "the run was told to stop", again)
        raise
    run.end(run.report.outcome)
    for line in run.report.summary:
        log.info("%s", line)
    log.info("%s; report: %s", run.report.outcome, reports.place_of(open_cluster(cluster).store, run.report))


def report_end(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A flow's hook for cancellation and crash: it runs in another process and finishes the journal that was left.

    After a SIGKILL nothing else can: the journal tells which step was under way.
    """
    cluster = str((flow_run.parameters or {}).get("cluster", ""))
    store = open_cluster(cluster).store
    report = reports.find_report(store, cluster, flow.name, str(flow_run.id))
    if report is None or report.outcome not in {Outcome.RUNNING, Outcome.INTERRUPTED, Outcome.WAITING}:
        return
    run = Run(report)
    # A worker that cancels calls its hooks while the state is still Cancelling.
    outcome = Outcome.CRASHED if state.is_crashed() else Outcome.CANCELLED
    run.end(outcome, f"the flow run ended as {outcome}: {state.message or ''}", f"prefect flow-run retry {flow_run.id}")


class FlowOptions(TypedDict):
    """Options of `@flow` that all runbooks share."""

    validate_parameters: bool
    on_cancellation: list[FlowStateHook[Any, Any]]
    on_crashed: list[FlowStateHook[Any, Any]]


RUNBOOK: FlowOptions = {"validate_parameters": True, "on_cancellation": [report_end], "on_crashed": [report_end]}
"""A report comes whatever happens: `@flow(name=..., flow_run_name=..., **RUNBOOK)`."""


def _fresh_report(cluster: str) -> Report:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("a runbook is a Prefect flow: call the flow, not its function")
    return Report(
        runbook=context.flow.name if context.flow else "",
        cluster=cluster,
        run_id=str(context.flow_run.id),
        run_name=context.flow_run.name,
        attempt=max(context.flow_run.run_count, 1),
        outcome=Outcome.RUNNING,
        started_at=datetime.now(UTC).replace(microsecond=0),
    )


def _parameters() -> dict[str, Any]:
    """Of the flow run, by the values that the flow works with: Prefect has those that were given, the flow its defaults."""
    context = FlowRunContext.get()
    if context is None or context.flow is None:
        return {}
    called = inspect.signature(context.flow.fn).bind_partial(**(context.parameters or {}))
    called.apply_defaults()
    return dict(called.arguments)


def _evidence(result: object) -> dict[str, Any]:
    evidence = result.model_dump(mode="json") if isinstance(result, Model) else {}
    return evidence if isinstance(evidence, dict) else {"result": evidence}


def _kept(keep: Callable[..., None], report: Report) -> None:
    """Into the store if it can: a store that fails is told by the step that needs it."""
    try:
        store = open_cluster(report.cluster).store
        store.check_once()
        keep(store, report)
    except RunbookError as error:
        log_about(report.cluster).warning("the report could not be stored: %s", error)
