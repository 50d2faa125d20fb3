"""Summarizes an audit: what people read first."""

from tasks.access.models.audit import Audit
from tasks.core.models.findings import listed
from tasks.core.models.plan import Plan
from tasks.core.words import counted
from tasks.network_policy.models import Canary, Enforcement, Verdict


def summarize_audit(audit: Audit, plan: Plan) -> tuple[str, ...]:
    """Returns the report text of an audit that found nothing of severity high."""
    accepted = len(audit.findings) - len(audit.open)
    return (
        f"{counted(len(audit.open), 'finding')} among {counted(audit.subjects, 'subject')} of "
        f"{counted(audit.bindings, 'binding')}, none of severity high; {accepted} accepted by the policy",
        matrix_words(audit),
        changes_words(audit),
        sample_words(audit),
        network_words(audit),
        f"{len(plan.cautions)} to check",
    )


def matrix_words(audit: Audit) -> str:
    """Returns what was found of the matrix."""
    if not audit.cells:
        return "the matrix of the access policy was not checked"
    return f"cells of the matrix that hold: {len(audit.cells) - len(audit.failing)} of {len(audit.cells)}"


def changes_words(audit: Audit) -> str:
    """Returns what changed since the previous audit."""
    if not audit.compared_with:
        return "there is no previous audit to compare with"
    new = [one.id for one in audit.findings if one.is_new]
    names = [f"new: {listed(new)}"] if new else []
    names += [f"gone: {listed(audit.gone)}"] if audit.gone else []
    same = len(audit.findings) - len(new)
    return f"since run {audit.compared_with}: {'; '.join([*names, f'{same} the same'])}"


def sample_words(audit: Audit) -> str:
    """Returns how many answers the API server gave as the rules do."""
    different = sum(one.check == "disagrees" for one in audit.findings)
    return f"the API server answered {audit.sampled - different} of {audit.sampled} requests as RBAC does"


def network_words(audit: Audit) -> str:
    """Returns whether the network enforces NetworkPolicies, and how that was found out."""
    found = (
        [_told(audit.enforcement)] if audit.canary is None else [_told(audit.enforcement), canary_words(audit.canary)]
    )
    return "; ".join(found)


def _told(found: Enforcement) -> str:
    if found.verdict is Verdict.UNKNOWN:
        return f"whether the network enforces NetworkPolicies is not known: {found.reason}"
    closed = sum(one.is_closed for one in found.denied)
    return f"NetworkPolicies are {found.verdict}: of {counted(len(found.denied), 'denied connection')}, {closed} closed"


def canary_words(canary: Canary) -> str:
    """Returns what a canary showed, and where."""
    found = canary.enforcement
    if found.verdict is Verdict.UNKNOWN:
        return f"the canary shows nothing: {found.reason}"
    where = f"between pods on {' and '.join(canary.nodes)}"
    if found.verdict is Verdict.NOT_ENFORCED:
        return f"canary: not enforced {where}, {counted(len(found.leaks), 'connection')} stayed open"
    return f"canary: enforced {where} {canary.seconds:g} s after the policy, and open again without it"
