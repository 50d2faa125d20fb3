"""Restores the copied files and manifests, restarts what has read the new ones, and proves the result."""

from typing import NoReturn

from tasks.cert_rotation import scripts
from tasks.cert_rotation.models.rotation import Phase
from tasks.cert_rotation.pods import prove, start_anew
from tasks.cert_rotation.policy.static_pods import has_to_start_again, runs_as_before
from tasks.cert_rotation.probes import proofs, records
from tasks.cert_rotation.work import Work
from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import ORDER

LONGEST_REASON = 1000
"""Limits the length of the reason in a record, in characters."""


def put_back(work: Work, error: RunbookError) -> NoReturn:
    """Restores the previous files and raises the reason. Files that have expired are not restored."""
    kept = _keep_diagnostics(work)
    if work.node.by_ssh_alone:
        raise CommandFailed(
            f"{work.name}: {error.problem}; the previous certificates have expired and were not restored",
            hint=f"{kept}; then run it again: it resumes",
        ) from error
    work.check()
    log_about(work.name).error("%s; the previous files are being restored", error)
    reason = error.problem[:LONGEST_REASON]
    work.found = work.record.model_copy(update={"phase": Phase.PUTTING_BACK, "reason": reason})
    work.reach.run(scripts.note(work.record))
    try:
        _bring_back(work)
    except RunbookError as second:
        raise CommandFailed(
            f"{work.name}: {error.problem}; and the previous files could not be proven: {second.problem}",
            hint=f"{kept}; run it again: it resumes restoring them",
        ) from error
    raise _back(work, kept) from error


def resume_putting_back(work: Work) -> NoReturn:
    """Finishes a restore that an earlier run did not complete. It uses the record found on the node."""
    if work.found is None or work.found.phase is not Phase.PUTTING_BACK:
        raise Refused(f"{work.name}: nothing is left to restore on this node", hint="run it again")
    _bring_back(work)
    raise _back(work, "")


def _bring_back(work: Work) -> None:
    """Restores the previous files on the node.

    Pods that were never restarted are left alone. Pods that read the new files restart once more, and all these pods are proven.
    """
    work.check()
    with work.part("restore the previous files"):
        work.reach.run(scripts.put_back(work.reach.where, work.record))
    back = records.parse_time(work.reach.run(records.when_put_back())) or work.reach.now()
    for pod in [pod for pod in ORDER if pod in work.record.restarts]:
        found = work.reach.look()
        if runs_as_before(found, pod, work.record.begun_at):
            continue
        if has_to_start_again(found, pod, back):
            start_anew(work, pod)
        prove(work, pod)
    work.reach.run(scripts.forget(work.record))


def _back(work: Work, kept: str) -> CommandFailed:
    where = f"the copy is {scripts.put_back_copy(work.record)} there"
    hints = (kept, where, "no requested certificate was renewed on this node")
    return CommandFailed(
        f"{work.name}: {work.record.reason}; its previous files are restored and proven",
        hint="; ".join(hint for hint in hints if hint),
    )


def _keep_diagnostics(work: Work) -> str:
    """Saves the diagnostics and returns where they are, or why they could not be saved."""
    try:
        text = work.reach.run(proofs.diagnostics())
        kept = work.reach.keep_diagnostics(f"{work.orders.run_id}-{work.name}", text)
    except RunbookError as error:
        return f"its diagnostics could not be saved: {error.problem}"
    return f"diagnostics saved to {kept}"
