"""Decides whether the person who approves a certificate is another one than the person who asked for it.

Prefect knows nobody by name: both names are what people wrote. The rule stops a person who approves the own request by
habit. Who may start runs and who may approve them is decided by the logins of the Prefect server.
"""

from tasks.core.models.findings import Problem
from tasks.core.models.report import Approval


def plain(name: str) -> str:
    """Returns a name without the differences that make nobody another person: case, spaces, and a domain."""
    return " ".join(name.casefold().split()).partition("@")[0].strip()


def what_forbids_approval(requested_by: str, approval: Approval | None) -> Problem | None:
    """Returns why this approval does not count for a certificate, or None if it does."""
    by = approval.who if approval and approval.approved else ""
    if not plain(requested_by):
        return Problem(text="who asked for the certificate is not known", next_step="name the person: --requested-by")
    if not plain(by):
        return Problem(
            text="who approved the plan is not known",
            next_step="start the run again; another person than the one who asked approves it, and gives a name",
        )
    if plain(by) == plain(requested_by):
        return Problem(
            text=f"{by} approved the plan, and {requested_by} asked for the certificate: that is one person",
            next_step="start the run again, and another person approves it",
        )
    return None
