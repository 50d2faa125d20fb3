"""Shows findings and the matrix as tables in the Prefect UI."""

from prefect.artifacts import create_table_artifact

from tasks.access.models.audit import Audit, Judged
from tasks.run.reports import shown_if_possible

WORST_FIRST = {"high": 0, "medium": 1, "low": 2}


def show_findings(cluster: str, audit: Audit) -> None:
    """Publishes the table of all findings and cells in the Prefect UI: cells that fail first, then the worst findings."""
    shown_if_possible(
        create_table_artifact,
        key=f"{cluster}-access",
        table=to_rows(audit),
        description=f"access of {cluster} at {audit.observed_at:%Y-%m-%dT%H:%M:%SZ}",
    )


def to_rows(audit: Audit) -> list[dict[str, object]]:
    """Returns a row for each cell that fails and for each finding, with its id and its fix."""
    cells = [_cell_row(one) for one in audit.failing]
    worst = sorted(audit.findings, key=lambda one: (bool(one.accepted), WORST_FIRST[one.severity], one.id))
    return cells + [
        {
            "state": "accepted" if one.accepted else ("new" if one.is_new else "open"),
            "severity": str(one.severity),
            "subject": one.subject,
            "problem": one.problem,
            "evidence": one.evidence,
            "fix": one.accepted or one.fix,
            "id": one.id,
        }
        for one in worst
    ]


def _cell_row(cell: Judged) -> dict[str, object]:
    answers = {None: "not checked", True: "allow", False: "deny"}
    return {
        "state": "fails",
        "severity": "high",
        "subject": cell.subject,
        "problem": f"{cell.label.removeprefix(f'{cell.subject} ')}: {answers[cell.allowed]}, the policy wants {cell.wanted}",
        "evidence": cell.reason or cell.problem,
        "fix": "correct its bindings, or access.yaml",
        "id": f"matrix:{cell.label}",
    }
