"""Formats plans and reports as Markdown for people."""

from collections.abc import Mapping, Sequence

from tasks.core.commands import command_of
from tasks.core.models.plan import Plan
from tasks.core.models.report import Choice, Done, Report
from tasks.core.words import duration_in_words
from tasks.run.policy.evidence import sentence_of
from tasks.run.policy.happened import happened, has_more
from tasks.run.policy.node_states import node_states
from tasks.run.policy.plan_rows import PlanRow, plan_rows

PLAN_HEAD = ("kind", "node", "action", "reason")


def to_markdown(report: Report, timeline: str = "") -> str:
    """Formats the report: what happened in three lines, the state of each node, then the details.

    `timeline` is the address of the picture of the run.
    """
    states = node_states(report)
    parts = [
        *_head(report, states),
        *_nodes_part(states),
        *_details(report),
        *(["", "## Timeline", "", f"![timeline of the run]({timeline})"] if timeline else []),
        *_plan_part(report.plan),
        *_steps_part(report.done),
    ]
    return "\n".join([*parts, ""])


def _head(report: Report, states: Mapping[str, str]) -> list[str]:
    told = happened(report, states)
    lines = [
        f"# {command_of(report.runbook)} of {report.cluster}: {report.outcome}",
        "",
        f"- **Outcome:** {told.outcome}",
        *(line for problem, step in told.problems for line in _problem(problem, step)),
        f"- **Done:** {told.done}",
        f"- **Left:** {told.left}",
    ]
    if report.way_back:
        lines += ["", f"**Way back:** {report.way_back}"]
    return lines


def _problem(problem: str, next_step: str) -> list[str]:
    return [f"  - {problem}", *([f"    - Next: {next_step}"] if next_step else [])]


def by_state(states: Mapping[str, str]) -> dict[str, list[str]]:
    """Returns the nodes of each state."""
    found: dict[str, list[str]] = {}
    for node, state in states.items():
        found.setdefault(state, []).append(node)
    return found


def _nodes_part(states: Mapping[str, str]) -> list[str]:
    rows = [(", ".join(nodes), state) for state, nodes in by_state(states).items()]
    return ["", "## Nodes", "", *_table(("nodes", "state"), rows)] if rows else []


def details_of(report: Report) -> list[str]:
    """Returns the summary, the run and its times, and the approval."""
    ended = f"{report.ended_at:%Y-%m-%d %H:%M:%S} UTC" if report.ended_at else "not known"
    lines = [
        *report.summary,
        f"run {report.run_name} (`{report.run_id}`), attempt {report.attempt}{f', mode {report.mode}' if report.mode else ''}",
        f"from {report.started_at:%Y-%m-%d %H:%M:%S} UTC to {ended}",
    ]
    if report.approval:
        lines.append(report.approval.held_for(report.plan) if report.plan else report.approval.sentence)
    return lines


def _details(report: Report) -> list[str]:
    full = ["", "```text", report.problem, "```"] if has_more(report) else []
    return ["", "## Details", "", *(f"- {line}" for line in details_of(report)), *full]


def to_question(
    runbook: str, cluster: str, plan: Plan, news: Sequence[str] = (), choices: Sequence[Choice] = ()
) -> str:
    """Formats the plan for the person who is asked to approve it, with all that the approval covers.

    It has lists and no table, because the form in the UI cuts a table off at the right. `news` are the lines that the
    last plan did not have. `choices` are what the person decides beside it.
    """
    head = f"# {command_of(runbook)} of {cluster}: approve this plan?"
    promise = (
        "Nothing has been changed yet. After your answer the run observes the cluster again. It asks again if the new plan "
        "has another step, caution or eviction, or if a parameter or the profile has changed."
    )
    new = ["", "New since the plan that was approved:", "", *(f"- {one}" for one in news)] if news else []
    terms = [f"- **{term.name}**: {_in_line(term.value)}" for term in plan.terms]
    conditions = ["", "### Made for these parameters and this profile", "", *terms] if terms else []
    asked = ["", "With the approval you choose:", "", *(f"- {one.in_words}" for one in choices)] if choices else []
    return "\n".join([head, "", promise, *new, *asked, "", f"## Plan {plan.digest}", *to_lists(plan), *conditions, ""])


def to_lists(plan: Plan) -> list[str]:
    """Returns the lines of a plan as lists: its changes, refusals, cautions, evicted pods, and what it leaves alone."""
    rows = plan_rows(plan)
    return [
        line for kind, title in _TITLES.items() for line in _listed(title, [one for one in rows if one.kind == kind])
    ]


_TITLES = {
    "change": "Changes",
    "refusal": "Refusals",
    "caution": "Cautions",
    "evict": "Pods that are evicted",
    "skip": "Left alone",
}


def _listed(title: str, rows: Sequence[PlanRow]) -> list[str]:
    return ["", f"### {title}", "", *(line for row in rows for line in _item(row))] if rows else []


def _item(row: PlanRow) -> list[str]:
    if row.kind == "evict":
        return [f"- {row.nodes}"]
    if len(row.parts) > 1:
        return [
            f"- **{row.nodes}**",
            *(f"  - {_in_line(part.acts)}, because {_in_line(part.reason)}" for part in row.parts),
        ]
    if row.parts:
        return [f"- **{row.nodes}**: {_in_line(row.action)}, because {_in_line(row.reason)}"]
    next_step = f" (next: {_in_line(row.action)})" if row.action else ""
    return [f"- **{row.nodes}**: {_in_line(row.reason)}{next_step}"]


def _in_line(text: str) -> str:
    return text.replace("\n", " ")


def table_of(plan: Plan) -> list[tuple[str, str, str, str]]:
    """Returns the cells of a plan's table."""
    return [(row.kind, row.nodes, row.action, row.reason) for row in plan_rows(plan)]


def _plan_part(plan: Plan | None) -> list[str]:
    if plan is None:
        return []
    terms = [(term.name, term.value) for term in plan.terms]
    conditions = ["", "### Made for these parameters and this profile", "", *_table(("what", "value"), terms)]
    return ["", f"## Plan {plan.digest}", "", *_table(PLAN_HEAD, table_of(plan)), *(conditions if terms else [])]


def _steps_part(done: Sequence[Done]) -> list[str]:
    rows = [
        (step.step, f"{step.started_at:%H:%M:%S}", duration_in_words(step.took), sentence_of(step.evidence))
        for step in done
    ]
    return ["", "## Steps", "", *_table(("step", "at (UTC)", "took", "result"), rows)] if rows else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in line)} |" for line in lines]
