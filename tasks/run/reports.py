"""Plans and reports as people read them: Prefect artifacts, and JSON with Markdown in the store."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from pydantic import JsonValue, ValidationError

from tasks.clients.objectstore import ObjectStore
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.core.models.base import Model
from tasks.core.models.plan import Plan
from tasks.core.models.report import Done, Report
from tasks.core.redaction import redact, redact_json

log = logging.getLogger("kube_runbooks.reports")

M = TypeVar("M", bound=Model)

PROGRESS_EVERY = timedelta(seconds=2)
"""Between two updates of a progress artifact: each is a request to the Prefect server."""


def report_prefix(store: ObjectStore, cluster: str, runbook: str) -> str:
    """Where the reports of a runbook are."""
    return store.key(cluster, "reports", runbook) + "/"


def report_key(store: ObjectStore, report: Report) -> str:
    """Of one attempt of a run, without `.json` or `.md`."""
    name = f"{report.started_at:%Y%m%dT%H%M%SZ}-{report.run_id}"
    return report_prefix(store, report.cluster, report.runbook) + name


def place_of(store: ObjectStore, report: Report) -> str:
    """Where a person finds the report."""
    return store.uri(report_key(store, report) + ".md")


def keep_journal(store: ObjectStore, report: Report) -> None:
    """Writes where the run stands: what a crash leaves behind for its report."""
    body = json.dumps(redact_json(report.model_dump(mode="json")), indent=2, ensure_ascii=False)
    store.put(report_key(store, report) + ".json", body.encode(), "application/json")


def keep_report(store: ObjectStore, report: Report) -> None:
    """Writes the report in both forms."""
    keep_journal(store, report)
    store.put(report_key(store, report) + ".md", redact(to_markdown(report)).encode(), "text/markdown")


def show_report(report: Report) -> None:
    """Publishes the report in the Prefect UI, at its run also when a hook in another process wrote it."""
    key = f"{report.cluster}-{report.runbook}-report".replace("_", "-")
    shown_if_possible(_create_at_run, run_id=report.run_id, key=key, markdown=redact(to_markdown(report)))


def _create_at_run(run_id: str, key: str, markdown: str) -> None:
    """As `create_markdown_artifact`, which outside of a run ties the artifact to none."""
    artifact = ArtifactCreate(type="markdown", key=key, data=markdown, flow_run_id=UUID(run_id))
    with get_client(sync_client=True) as client:
        client.create_artifact(artifact)


def show_plan(runbook: str, cluster: str, plan: Plan) -> None:
    """Publishes the plan in the Prefect UI, before anything is touched."""
    rows = [dict(zip(PLAN_HEAD, map(redact, row), strict=True)) for row in _plan_rows(plan)]
    key = f"{cluster}-{runbook}-plan".replace("_", "-")
    shown_if_possible(create_table_artifact, key=key, table=rows, description=f"plan {plan.digest}")


def find_report(store: ObjectStore, cluster: str, runbook: str, run_id: str) -> Report | None:
    """The report, or journal, of a run's newest attempt; none where it cannot be read, with a warning."""
    found = [stored.key for stored in store.objects(report_prefix(store, cluster, runbook))]
    keys = [key for key in found if key.endswith(f"-{run_id}.json")]
    return read_kept(store, max(keys), Report) if keys else None


def read_kept(store: ObjectStore, key: str, kind: type[M]) -> M | None:
    """What an earlier run left; one of another version, or that was just removed, tells nothing and stops nobody."""
    try:
        return kind.model_validate_json(store.get(key))
    except ValidationError as error:
        log.warning("%s is passed over: it is not understood: %s", store.uri(key), error.errors()[0]["msg"])
    except Refused as error:
        log.warning("%s is passed over: %s", store.uri(key), error.problem)
    return None


class Progress:
    """How far a step is. Counting never waits for anything: a thread of its own tells the Prefect UI."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0

    def advance(self, amount: int) -> None:
        """Counts what was done, in the unit of the total."""
        self._done += amount

    @property
    def percent(self) -> float:
        """0 to 100."""
        return min(100.0, self._done * 100 / self._total)


@contextmanager
def progress(key: str, description: str, total: int) -> Iterator[Progress]:
    """A progress bar in the Prefect UI from 0 to `total`; at 100 % when the block ends well."""
    counted, ended = Progress(total), threading.Event()
    artifact = shown_if_possible(create_progress_artifact, progress=0.0, key=key, description=description)

    def tell() -> None:
        while not ended.wait(PROGRESS_EVERY.total_seconds()):
            shown_if_possible(update_progress_artifact, artifact_id=artifact, progress=counted.percent)

    # In a copy of this context: the thread has to find the settings and the run that this one has.
    teller = threading.Thread(target=copy_context().run, args=(tell,), name="progress", daemon=True)
    if artifact:
        teller.start()
    try:
        yield counted
    finally:
        ended.set()
    if artifact:
        shown_if_possible(update_progress_artifact, artifact_id=artifact, progress=100.0)


def to_markdown(report: Report) -> str:
    """The report for people: what was done, with times and evidence; what went wrong, and what to type next."""
    return "\n".join([*_head(report), *_plan_part(report.plan), *_steps_part(report.done), ""])


def _head(report: Report) -> list[str]:
    ended = f"{report.ended_at:%Y-%m-%d %H:%M:%S} UTC" if report.ended_at else "not known"
    lines = [
        f"# {report.runbook} of {report.cluster}: {report.outcome}",
        "",
        *(f"- {line}" for line in report.summary),
        f"- run {report.run_name} (`{report.run_id}`), attempt {report.attempt}",
        f"- from {report.started_at:%Y-%m-%d %H:%M:%S} UTC to {ended}",
    ]
    if report.approval:
        lines.append(f"- {report.approval.sentence}")
    if report.doing:
        lines.append(f"- it was in the step **{report.doing}**")
    if report.problem:
        lines += ["", f"**Problem:** {report.problem}"]
    if report.next_step:
        lines += ["", f"**Next step:** {report.next_step}"]
    if report.way_back:
        lines += ["", f"**Way back:** {report.way_back}"]
    return lines


def to_question(runbook: str, cluster: str, plan: Plan, news: Sequence[str] = ()) -> str:
    """The plan as a person reads it who is asked to approve it: all that the approval holds for. `news` were not in the last one."""
    head = f"# {runbook} of {cluster}: approve this plan?"
    promise = (
        "Nothing of this plan was touched yet. After your answer the run looks at everything again. It asks again if the plan "
        "has another step, caution or eviction then, or if a parameter or the profile has changed."
    )
    new = ["", "New since the plan that was approved:", "", *(f"- {one}" for one in news)] if news else []
    return "\n".join([head, "", promise, *new, *_plan_part(plan), ""])


PLAN_HEAD = ("what", "who", "how", "why")


def _plan_rows(plan: Plan) -> list[tuple[str, str, str, str]]:
    return [
        *(("do", step.subject, step.act, step.reason) for step in plan.steps),
        *(("skip", skip.subject, "", skip.reason) for skip in plan.skips),
        *(("look at", caution.subject, caution.next_step, caution.problem) for caution in plan.cautions),
        *(("refuse", refusal.subject, refusal.next_step, refusal.problem) for refusal in plan.refusals),
        *(("evict", name, "", "its pods are on a node that is drained") for name in plan.evicts),
    ]


def _plan_part(plan: Plan | None) -> list[str]:
    if plan is None:
        return []
    terms = [(term.name, term.value) for term in plan.terms]
    conditions = ["", "### Made for these parameters and this profile", "", *_table(("what", "value"), terms)]
    return ["", f"## Plan {plan.digest}", "", *_table(PLAN_HEAD, _plan_rows(plan)), *(conditions if terms else [])]


def _steps_part(done: Sequence[Done]) -> list[str]:
    rows = [
        (step.step, f"{step.started_at:%H:%M:%S}", f"{step.took.total_seconds():.1f} s", _evidence(step.evidence))
        for step in done
    ]
    return ["", "## Steps", "", *_table(("step", "at", "took", "evidence"), rows)] if rows else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in line)} |" for line in lines]


def _evidence(evidence: Mapping[str, JsonValue], prefix: str = "") -> str:
    """Figures of a step as `name=value`, nested ones with a dotted name; lists only by their length."""
    told = []
    for name, value in evidence.items():
        if isinstance(value, dict):
            told.append(_evidence(value, f"{prefix}{name}."))
        elif isinstance(value, list):
            told.append(f"{prefix}{name}: {len(value)}")
        elif value not in (None, ""):
            told.append(f"{prefix}{name}={value}")
    return ", ".join(part for part in told if part)


def shown_if_possible(publish: Callable[..., object], **arguments: object) -> object:
    """Publishes in the Prefect UI if it can: a Prefect server that restarts must not end a backup."""
    try:
        return publish(**arguments)
    except Exception as error:  # noqa: BLE001 - httpx, Prefect and asyncio errors alike; none is worth the run
        log_about(str(arguments.get("key", "artifact"))).warning("not published in the Prefect UI: %s", error)
        return None
