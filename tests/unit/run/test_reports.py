"""Reports as people read them."""

from datetime import UTC, datetime, timedelta

from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step
from tasks.core.models.report import Done, Outcome, Report
from tasks.run.reports import to_markdown

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
        cautions=(Caution(subject="m3", problem="not reached", next_step="look at it"),),
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
        "# etcd_backup_to_s3 of prod: crashed\n"
        "\n"
        "- run backup-prod (`0a1b2c3d-0000-0000-0000-000000000000`), attempt 2\n"
        "- from 2026-11-23 12:00:00 UTC to 2026-11-23 12:01:00 UTC\n"
        "- it was in the step **take snapshot**\n"
        "\n"
        "**Problem:** the process was killed\n"
        "\n"
        "**Next step:** prefect flow-run retry 0a1b2c3d-0000-0000-0000-000000000000\n"
        "\n"
        "## Plan b5676116609d4e8d\n"
        "\n"
        "| what | who | how | why |\n"
        "| --- | --- | --- | --- |\n"
        "| do | m2 | take the snapshot | an eligible follower |\n"
        "| skip | m1 |  | it is the leader |\n"
        "| look at | m3 | look at it | not reached |\n"
        "| refuse | m4 | mend it | a / b c |\n"
        "\n"
        "## Steps\n"
        "\n"
        "| step | at | took | evidence |\n"
        "| --- | --- | --- | --- |\n"
        "| observe etcd | 12:00:00 | 1.2 s | members: 3, hash.revision=7, ok=True |\n"
    )


def test_a_report_without_plan_and_steps_has_no_empty_tables() -> None:
    """A run that was refused at its input."""
    text = to_markdown(REPORT.model_copy(update={"plan": None, "done": (), "ended_at": None, "doing": ""}))
    assert "##" not in text
    assert "to not known" in text
