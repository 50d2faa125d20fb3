"""Publishes plans and reports for people: Prefect artifacts, and JSON with Markdown in the store."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for
from pydantic import ValidationError

from tasks.clients.objectstore import ObjectStore
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.core.models.base import Model
from tasks.core.models.plan import Plan
from tasks.core.models.report import Report
from tasks.core.models.shape import ClusterShape, NodeShape
from tasks.core.redaction import redact, redact_json
from tasks.run.markdown import PLAN_HEAD, table_of, to_markdown
from tasks.run.page import to_html
from tasks.run.policy.timeline import timeline
from tasks.run.shape_table import HEAD, rows_of

log = logging.getLogger("kube_runbooks.reports")

M = TypeVar("M", bound=Model)

PROGRESS_EVERY = timedelta(seconds=2)
"""This is the time between two updates of a progress artifact; each is a request to the Prefect server."""


def report_prefix(store: ObjectStore, cluster: str, runbook: str) -> str:
    """Returns the prefix of a runbook's reports in the store."""
    return store.key(cluster, "reports", runbook) + "/"


def report_key(store: ObjectStore, report: Report) -> str:
    """Returns the key of the report of one attempt of a run, without `.json` or `.md`."""
    name = f"{report.started_at:%Y%m%dT%H%M%SZ}-{report.run_id}"
    return report_prefix(store, report.cluster, report.runbook) + name


def how_to_read(report: Report, *, stored: bool, shown: bool) -> str:
    """Returns where a person finds the whole report: a command, a page of the Prefect UI, or that nothing has it.

    The UI has it only if the run used a server that outlives it.
    """
    if stored:
        return f"The whole report: kube-runbooks report {report.run_id}"
    page = url_for("flow-run", obj_id=report.run_id) if shown and get_current_settings().api.url else ""
    kept = f"It is an artifact of the flow run: {page}" if page else "Nothing else has it."
    return f"The store did not take the report. {kept}"


def keep_journal(store: ObjectStore, report: Report) -> None:
    """Writes how far the run is, which is what remains for the report after a crash."""
    body = json.dumps(redact_json(report.model_dump(mode="json")), indent=2, ensure_ascii=False)
    store.put(report_key(store, report) + ".json", body.encode(), "application/json")


def keep_report(store: ObjectStore, report: Report) -> None:
    """Writes the report as JSON and as Markdown, its timeline as SVG, and a page that has all of it."""
    keep_journal(store, report)
    key, shown = report_key(store, report), redacted(report)
    picture = redact(timeline(shown))
    beside = f"{key.rpartition('/')[2]}.svg" if picture else ""
    store.put(f"{key}.md", redact(to_markdown(shown, beside)).encode(), "text/markdown")
    if picture:
        store.put(f"{key}.svg", picture.encode(), "image/svg+xml")
    store.put(f"{key}.html", redact(to_html(shown, picture)).encode(), "text/html; charset=utf-8")


def redacted(report: Report) -> Report:
    """Returns the report without key material in any of its texts.

    This happens before a text is escaped for a page, or encoded in a picture, where `redact` would not recognise it.
    """
    return Report.model_validate(redact_json(report.model_dump(mode="json")))


def show_report(report: Report) -> bool:
    """Publishes the report in the Prefect UI, with its run even if a hook in another process wrote it.

    Returns whether Prefect took it.
    """
    key = f"{report.cluster}-{report.runbook}-report".replace("_", "-")
    return bool(
        shown_if_possible(_create_at_run, run_id=report.run_id, key=key, markdown=_with_picture(redacted(report)))
    )


def _with_picture(report: Report) -> str:
    """Returns the Markdown with the timeline in it, because the UI shows a picture only from such an address."""
    picture = redact(timeline(report))
    mark = "timeline.svg"
    told = redact(to_markdown(report, mark if picture else ""))
    encoded = base64.b64encode(picture.encode()).decode()
    return told.replace(f"]({mark})", f"](data:image/svg+xml;base64,{encoded})")


def _create_at_run(run_id: str, key: str, markdown: str) -> UUID:
    """Creates an artifact for the run, unlike `create_markdown_artifact`, which ties it to no run outside of one."""
    artifact = ArtifactCreate(type="markdown", key=key, data=markdown, flow_run_id=UUID(run_id))
    with get_client(sync_client=True) as client:
        return client.create_artifact(artifact).id


def show_plan(runbook: str, cluster: str, plan: Plan) -> None:
    """Publishes the plan in the Prefect UI before anything changes."""
    rows = [dict(zip(PLAN_HEAD, map(redact, row), strict=True)) for row in table_of(plan)]
    key = f"{cluster}-{runbook}-plan".replace("_", "-")
    shown_if_possible(create_table_artifact, key=key, table=rows, description=f"plan {plan.digest}")


def show_shape(runbook: str, cluster: str, nodes: Mapping[str, NodeShape], whole: ClusterShape | None) -> None:
    """Publishes the shape of the cluster, as the run has read it, beside the plan in the Prefect UI."""
    rows = [dict(zip(HEAD, map(redact, row), strict=True)) for row in rows_of(cluster, nodes, whole)]
    if rows:
        key = f"{cluster}-{runbook}-shape".replace("_", "-")
        shown_if_possible(create_table_artifact, key=key, table=rows, description="where this cluster has what")


def find_report(store: ObjectStore, cluster: str, runbook: str, run_id: str) -> Report | None:
    """Returns the report, or journal, of a run's newest attempt; None if there is none.

    It also returns None, with a warning, if the report cannot be read.
    """
    found = [stored.key for stored in store.objects(report_prefix(store, cluster, runbook))]
    keys = [key for key in found if key.endswith(f"-{run_id}.json")]
    return read_kept(store, max(keys), Report) if keys else None


def read_kept(store: ObjectStore, key: str, kind: type[M]) -> M | None:
    """Reads what an earlier run left; None if another version wrote it, or if it was just removed.

    Such a file provides nothing and stops nobody.
    """
    try:
        return kind.model_validate_json(store.get(key))
    except ValidationError as error:
        log.warning("%s is passed over: it could not be parsed: %s", store.uri(key), error.errors()[0]["msg"])
    except Refused as error:
        log.warning("%s is passed over: %s", store.uri(key), error.problem)
    return None


class Progress:
    """Counts how far a step is.

    Counting never waits for anything, because a separate thread updates the Prefect UI.
    """

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0

    def advance(self, amount: int) -> None:
        """Adds what was done, in the unit of the total."""
        self._done += amount

    @property
    def percent(self) -> float:
        """Returns the progress from 0 to 100."""
        return min(100.0, self._done * 100 / self._total)


@contextmanager
def progress(key: str, description: str, total: int) -> Iterator[Progress]:
    """Shows a progress bar in the Prefect UI from 0 to `total`; it is at 100 % if the block succeeds."""
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


def shown_if_possible(publish: Callable[..., object], **arguments: object) -> object:
    """Publishes in the Prefect UI if possible, because a restart of the Prefect server must not end a backup."""
    try:
        return publish(**arguments)
    except Exception as error:  # noqa: BLE001 - httpx, Prefect and asyncio errors alike; none is worth the run
        log_about(str(arguments.get("key", "artifact"))).warning("not published in the Prefect UI: %s", error)
        return None
