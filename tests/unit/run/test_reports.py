"""Reports as people read them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from flows.cert_rotation import cert_rotation
from tasks.core.models.plan import Caution, Mode, Plan, Refusal, Skip, Step
from tasks.core.models.report import Approval, Done, Outcome, Report
from tasks.run.again import Again
from tasks.run.markdown import to_markdown
from tasks.run.reports import how_to_read

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REPORT = Report(
    runbook="etcd_backup_to_s3",
    cluster="prod",
    run_id="0a1b2c3d-0000-0000-0000-000000000000",
    run_name="backup-prod",
    attempt=2,
    outcome=Outcome.CRASHED,
    started_at=NOON,
    ended_at=NOON + timedelta(minutes=1),
    doing="take snapshot",
    problem="the process was killed",
    next_step="prefect flow-run retry 0a1b2c3d-0000-0000-0000-000000000000",
    plan=Plan(
        digest="b5676116609d4e8d",
        steps=(Step(subject="m2", act="take the snapshot", reason="an eligible follower"),),
        skips=(Skip(subject="m1", reason="it is the leader"),),
        cautions=(Caution(subject="m3", problem="not reached", next_step="check it"),),
        refusals=(Refusal(subject="m4", problem="a | b\nc", next_step="mend it"),),
    ),
    done=(
        Done(
            step="observe etcd",
            started_at=NOON,
            took=timedelta(seconds=1.25),
            evidence={"members": [1, 2, 3], "hash": {"revision": 7, "none": None}, "ok": True, "empty": ""},
        ),
    ),
)


def test_a_crash_report_says_what_was_done_where_it_was_and_what_to_type() -> None:
    """A person reads it at night."""
    assert to_markdown(REPORT) == (
        "# etcd-backup of prod: crashed\n"
        "\n"
        "- **Outcome:** crashed after 1 min, in the step `take snapshot`: the process was killed\n"
        "- **Done:** no node was finished; finished steps: observe etcd\n"
        "- **Left:** 1 node: m2; next: prefect flow-run retry 0a1b2c3d-0000-0000-0000-000000000000\n"
        "\n"
        "## Nodes\n"
        "\n"
        "| nodes | state |\n"
        "| --- | --- |\n"
        "| m2 | in progress when the run stopped |\n"
        "| m1 | left alone: it is the leader |\n"
        "\n"
        "## Details\n"
        "\n"
        "- run backup-prod (`0a1b2c3d-0000-0000-0000-000000000000`), attempt 2\n"
        "- from 2026-11-23 12:00:00 UTC to 2026-11-23 12:01:00 UTC\n"
        "\n"
        "## Plan b5676116609d4e8d\n"
        "\n"
        "| kind | node | action | reason |\n"
        "| --- | --- | --- | --- |\n"
        "| change | m2 | take the snapshot | an eligible follower |\n"
        "| skip | m1 |  | it is the leader |\n"
        "| caution | m3 | check it | not reached |\n"
        "| refusal | m4 | mend it | a / b c |\n"
        "\n"
        "## Steps\n"
        "\n"
        "| step | at (UTC) | took | result |\n"
        "| --- | --- | --- | --- |\n"
        "| observe etcd | 12:00:00 | 1.2 s | 3 members, hash revision 7 |\n"
    )


def test_a_report_without_plan_and_steps_has_no_empty_tables() -> None:
    """A run that was refused at its input."""
    text = to_markdown(REPORT.model_copy(update={"plan": None, "done": (), "ended_at": None, "doing": ""}))
    assert "## Plan" not in text
    assert "## Steps" not in text
    assert "## Nodes" not in text
    assert "to not known" in text


def test_a_report_says_which_plan_was_approved_and_that_the_rest_is_a_part_of_it() -> None:
    """A retry does what is left of a plan."""
    approval = Approval(plan="b5676116609d4e8d", approved=True, who="Ada")
    whole = "- plan b5676116609d4e8d was approved by Ada"
    assert whole in to_markdown(REPORT.model_copy(update={"approval": approval})).splitlines()
    rest = REPORT.model_copy(update={"approval": approval, "plan": Plan(digest="0123456789abcdef")})
    assert f"{whole}; plan 0123456789abcdef is a part of it" in to_markdown(rest).splitlines()
    assert whole in to_markdown(rest.model_copy(update={"plan": None})).splitlines()


@pytest.mark.parametrize(
    ("approved", "told"),
    [(True, "was approved by Ada: INC-7; rollback: no"), (False, "was denied by Ada: INC-7")],
)
def test_a_report_says_what_was_chosen_with_the_approval(approved: bool, told: str) -> None:  # noqa: FBT001 - a case
    """Who denies a plan chooses nothing."""
    answer = Approval(plan="b5", approved=approved, who="Ada", reason="INC-7", choices={"rollback": False})
    assert answer.sentence == f"plan b5 {told}"


@pytest.mark.parametrize(
    ("stored", "shown", "api", "told"),
    [
        (True, True, None, f"The whole report: kube-runbooks report {REPORT.run_id}"),
        (
            False,
            True,
            "http://127.0.0.1:4200/api",
            "The store did not take the report. It is an artifact of the flow run: "
            f"http://127.0.0.1:4200/runs/flow-run/{REPORT.run_id}",
        ),
        (False, True, None, "The store did not take the report. Nothing else has it."),
        (False, False, "http://127.0.0.1:4200/api", "The store did not take the report. Nothing else has it."),
    ],
)
def test_a_person_is_told_where_the_report_is(*, stored: bool, shown: bool, api: str | None, told: str) -> None:
    """A command that finds nothing is worse than none; a server that ends with the run keeps nothing."""
    with temporary_settings(updates={PREFECT_API_URL: api}, restore_defaults={PREFECT_UI_URL}):
        assert how_to_read(REPORT, stored=stored, shown=shown) == told


def test_a_run_is_resumed_by_prefect_only_if_it_has_a_deployment() -> None:
    """Prefect has nothing to run another one with."""
    given = {"cluster": "prod", "mode": Mode.PLAN}
    run = FlowRun(flow_id=uuid4(), deployment_id=uuid4())
    assert Again.of(cert_rotation.fn, given, run) == (
        "kube-runbooks start cert-rotation prod",
        f"prefect flow-run retry {run.id}",
    )
    alone = Again.of(cert_rotation.fn, given, FlowRun(flow_id=uuid4()))
    assert alone == ("kube-runbooks run cert-rotation prod", "kube-runbooks run cert-rotation prod --mode=plan")
