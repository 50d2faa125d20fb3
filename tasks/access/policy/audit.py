"""Decides what an audit means for the run: what allows the most harm refuses it, anything else is a caution."""

from collections.abc import Iterator

from tasks.access.models.audit import Audit, Finding, Judged, Severity
from tasks.core.models.findings import Finding as Line
from tasks.core.models.findings import cautioned, listed, refused
from tasks.core.models.plan import Caution, Plan, Refusal
from tasks.core.words import counted

SHOWN = 5
"""Limits how many findings or cells a line names. The report has all of them."""

FILE = "the cluster's access.yaml"
ACCEPT = f"or accept it in {FILE}, with a reason and a last day (docs/access.md)"


def judge_audit(audit: Audit) -> Plan:
    """Returns a refusal for each subject with a cell that fails, and for each check with a finding of severity high.

    All other findings are cautions.
    """
    lines = [*_cells(audit), *_findings(audit), *_rest(audit)]
    return Plan(
        refusals=tuple(one for one in lines if isinstance(one, Refusal)),
        cautions=tuple(one for one in lines if isinstance(one, Caution)),
    )


def _cells(audit: Audit) -> Iterator[Line]:
    failing: dict[str, list[Judged]] = {}
    for cell in audit.failing:
        failing.setdefault(cell.subject, []).append(cell)
    for subject, cells in failing.items():
        problem = f"{counted(len(cells), 'cell')} of the matrix {'fails' if len(cells) == 1 else 'fail'}: "
        problem += listed([words_of(cell) for cell in cells], SHOWN)
        yield refused(subject, problem, f"correct its bindings, or {FILE}")


def words_of(cell: Judged) -> str:
    """Returns what was found of a cell, with the reason."""
    where = f" in {cell.namespace}" if cell.namespace else ""
    if cell.allowed is None:
        return f"{cell.right}{where} was not checked ({cell.problem})"
    reason = f" ({cell.reason})" if cell.reason else ""
    return f"{cell.right}{where} is {'allowed' if cell.allowed else 'denied'}{reason}"


def _findings(audit: Audit) -> Iterator[Line]:
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for one in audit.open:
        groups.setdefault((one.check, one.severity), []).append(one)
    for (check, severity), found in groups.items():
        tell = refused if severity is Severity.HIGH else cautioned
        newest = sorted(found, key=lambda one: not one.is_new)
        examples = [f"{'new: ' if one.is_new else ''}{one.id}: {one.problem} ({one.evidence})" for one in newest]
        head = "" if len(found) == 1 else f"{len(found)} findings: "
        yield tell(check, f"{head}{listed(examples, SHOWN)}", f"{newest[0].fix}; {ACCEPT}")


def _rest(audit: Audit) -> Iterator[Line]:
    if not audit.has_policy:
        yield cautioned("matrix", "not checked: the cluster has no access policy", f"write {FILE} (docs/access.md)")
    elif not audit.cells:
        yield cautioned("matrix", "not checked: the policy has no right", f"write can: and cannot: into {FILE}")
    if audit.unused:
        yield cautioned(
            "accepted", f"no finding has this id any more: {listed(audit.unused, SHOWN)}", f"remove it from {FILE}"
        )
    for one in audit.not_checked:
        yield cautioned("not checked", one, "correct that, then run the audit again")
