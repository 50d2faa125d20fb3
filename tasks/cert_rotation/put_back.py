"""The way back: files and manifests of the copy, what has read the new ones started again, and the proof of it."""

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
"""That a record keeps."""


def put_back(work: Work, error: RunbookError) -> NoReturn:
    """Puts the previous files back, and raises why. Where they have ended, they stay away."""
    kept = _keep_diagnostics(work)
    if work.node.by_ssh_alone:
        raise CommandFailed(
            f"{work.name}: {error.problem}; the files of before have ended, so they stay away",
            hint=f"{kept}; then run it again: it goes on where it was",
        ) from error
    work.check()
    log_about(work.name).error("%s; the files of before are put back", error)
    reason = error.problem[:LONGEST_REASON]
    work.found = work.record.model_copy(update={"phase": Phase.PUTTING_BACK, "reason": reason})
    work.reach.run(scripts.note(work.record))
    try:
        _bring_back(work)
    except RunbookError as second:
        raise CommandFailed(
            f"{work.name}: {error.problem}; and the files of before could not be proven: {second.problem}",
            hint=f"{kept}; run it again: it goes on with putting them back",
        ) from error
    raise _back(work, kept) from error


def resume_putting_back(work: Work) -> NoReturn:
    """What an earlier run died in the middle of; the record is the one that was found there."""
    if work.found is None or work.found.phase is not Phase.PUTTING_BACK:
        raise Refused(f"{work.name}: nothing is to be put back there any more", hint="run it again")
    _bring_back(work)
    raise _back(work, "")


def _bring_back(work: Work) -> None:
    """What was never started anew is left alone; what has read the new files is started once more, and all are proven."""
    work.check()
    with work.part("files of before"):
        work.reach.run(scripts.put_back(work.reach.folder, work.record))
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
    hints = (kept, where, "nothing of what was asked for is renewed on it")
    return CommandFailed(
        f"{work.name}: {work.record.reason}; its files of before are back, and proven",
        hint="; ".join(hint for hint in hints if hint),
    )


def _keep_diagnostics(work: Work) -> str:
    """Where they are, or why they are nowhere."""
    try:
        text = work.reach.run(proofs.diagnostics())
        kept = work.reach.keep_diagnostics(f"{work.orders.run_id}-{work.name}", text)
    except RunbookError as error:
        return f"what it says of itself could not be kept: {error.problem}"
    return f"what it says of itself is in {kept}"
