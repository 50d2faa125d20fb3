"""Formats a report as one self-contained HTML file that can be sent to somebody."""

import json
import re
from collections.abc import Sequence
from html import escape

from tasks.core.commands import command_of
from tasks.core.models.report import Done, Report
from tasks.core.words import duration_in_words
from tasks.run.markdown import PLAN_HEAD, by_state, details_of, table_of
from tasks.run.policy.evidence import sentence_of
from tasks.run.policy.happened import happened, has_more
from tasks.run.policy.node_states import node_states

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #ccc; padding: .3rem .5rem; text-align: left; vertical-align: top; min-width: 4rem }
pre { background: #f4f4f4; padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere }
svg { max-width: 100%; height: auto }
dt { font-weight: bold } dd { margin: 0 0 .5rem; white-space: pre-wrap }
@media print { body { margin: 0; max-width: none } details > pre { font-size: 10px } }
"""


def to_html(report: Report, picture: str) -> str:
    """Returns the whole page: what happened, the nodes, the timeline, the plan, and each step with its whole result.

    The report and the SVG of the timeline must be redacted already. The page has no script and loads nothing.
    """
    title = escape(f"{command_of(report.runbook)} of {report.cluster}: {report.outcome}")
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            *_head(report),
            *_section("Details", [f"<ul>{''.join(f'<li>{_inline(line)}</li>' for line in details_of(report))}</ul>"]),
            *_section("Timeline", [picture] if picture else []),
            *_plan(report),
            *_section("Steps", [_step(step) for step in report.done]),
            "</body></html>",
            "",
        )
    )


def _head(report: Report) -> list[str]:
    states = node_states(report)
    told = happened(report, states)
    lines = [("Outcome", told.outcome), ("Done", told.done), ("Left", told.left), ("Way back", report.way_back)]
    listed = "".join(f"<dt>{name}</dt><dd>{_inline(line)}</dd>" for name, line in lines if line)
    reasons = "".join(f"<li>{_problem(one, step)}</li>" for one, step in told.problems)
    problem = [f"<pre>{escape(report.problem)}</pre>"] if has_more(report) else []
    rows = [(", ".join(nodes), state) for state, nodes in by_state(states).items()]
    return [
        f"<dl>{listed}</dl>",
        *([f"<ul>{reasons}</ul>"] if reasons else []),
        *problem,
        *_section("Nodes", [_table(("nodes", "state"), rows)] if rows else []),
    ]


def _problem(problem: str, next_step: str) -> str:
    return _inline(problem) + (f"<br>Next: {_inline(next_step)}" if next_step else "")


def _plan(report: Report) -> list[str]:
    if report.plan is None:
        return []
    terms = [(term.name, term.value) for term in report.plan.terms]
    conditions = "<h3>Made for these parameters and this profile</h3>" + _table(("what", "value"), terms)
    content = [_table(PLAN_HEAD, table_of(report.plan)), *([conditions] if terms else [])]
    return _section(f"Plan {report.plan.digest}", content)


def _step(step: Done) -> str:
    told = f"{step.started_at:%H:%M:%S} UTC <b>{escape(step.step)}</b>, {duration_in_words(step.took)}"
    sentence = f": {escape(sentence_of(step.evidence))}" if step.evidence else ""
    result = escape(json.dumps(step.evidence, indent=2, ensure_ascii=False))
    return (
        f"<details><summary>{told}{sentence}</summary><pre>{result}</pre></details>"
        if step.evidence
        else f"<p>{told}</p>"
    )


def _inline(text: str) -> str:
    """Escapes a line of Markdown, whose only marks are the backticks around names."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _section(title: str, content: Sequence[str]) -> list[str]:
    return [f"<h2>{escape(title)}</h2>", *content] if content else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
