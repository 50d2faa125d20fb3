"""Rotates the leaves of one node.

It has the copy, kubeadm's renewal, the restart of each static pod that must read the new files, and the proof.
"""

from datetime import datetime

from tasks.cert_rotation import scripts
from tasks.cert_rotation.models.rotation import NodeRotated, RotationRecord
from tasks.cert_rotation.pods import prove, restart
from tasks.cert_rotation.policy.records import record_of, resumed, what_has_changed
from tasks.cert_rotation.probes import proofs
from tasks.cert_rotation.put_back import put_back, resume_putting_back
from tasks.cert_rotation.work import Work
from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.at_once import wait_for
from tasks.core.errors import CommandFailed, NotTrusted, NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.folders import JOBS
from tasks.core.models.kubeadm import KUBELET_CLIENT


def rotate(work: Work) -> NodeRotated:
    """Rotates one node step by step, one static pod after the other.

    If a proof fails, it restores the previous files.
    """
    if work.node.put_back:
        work.found = resumable(work, work.reach.look())
        resume_putting_back(work)
    begin(work)
    try:
        renew(work)
    except CommandFailed as error:  # not `NotYet`: the job may still be at work
        put_back(work, error)
    try:
        for pod in work.node.restarts:
            restart(work, pod, gate=True)
            prove(work, pod)
        prove_users(work)
    except (NotYet, CommandFailed, NotTrusted) as error:
        put_back(work, error)
    refresh_copies(work)
    end(work)
    return result(work)


def begin(work: Work) -> None:
    """Copies kubeadm's folder and writes the record before the first change.

    It resumes the record of an interrupted run, whose copy has the previous files.

    Raises:
        Refused: if that record is void.
    """
    work.check()
    node = work.reach.look()
    found = resumable(work, node)
    fresh = record_of(work.node, node, work.orders.run_id, work.reach.now(), work.orders.runbook)
    work.found = resumed(found, fresh) if found else fresh
    with work.part("copy of kubeadm's folder"):
        work.reach.run(scripts.begin(work.reach.where, work.record), stdin=work.node.configuration.encode())


def resumable(work: Work, node: NodeCertificates) -> RotationRecord | None:
    """Reads the record of an interrupted run again, and returns it if it can be resumed. The result is None if there is none.

    It checks this at the last moment, because days may pass between the plan and its approval.

    Raises:
        Refused: if the record cannot be resumed.
    """
    left = work.reach.left()
    problems = [left.unreadable] if left.unreadable else []
    if left.record and left.record.runbook != work.orders.runbook:
        problems.append(f"it is of {left.record.runbook}, which has to resume it")
    elif left.record:
        problems += what_has_changed(left.record, node)
    if problems:
        raise Refused(
            f"{work.name}: the record of an interrupted run there cannot be resumed: {'; '.join(problems)}",
            hint="kube-runbooks run cert-rotation CLUSTER --mode=plan: the plan says what to do",
        )
    return left.record


def renew(work: Work) -> None:
    """Renews the leaf certificates by a kubeadm job. What is already renewed stays as it is."""
    if not work.record.leaves:
        return
    work.check()
    job = scripts.job_of(work.record)
    with work.part("kubeadm certs renew"):
        work.reach.job(job, scripts.renew(work.reach.where, work.record), work.limits.renew)
    found = work.reach.look()
    old = [leaf for leaf in work.record.leaves if not _is_written_since(found, leaf, work.record.begun_at)]
    if old:
        raise CommandFailed(
            f"{work.name}: kubeadm succeeded and did not renew {', '.join(old)}",
            hint=f"check {JOBS}/{job}/output there",
        )


def prove_users(work: Work) -> None:
    """Verifies that the API recognises the user of each renewed kubeconfig."""
    paths = [f"{work.reach.where.folder}/{leaf}" for leaf in work.record.leaves if leaf.endswith(".conf")]
    mine = [path for path in paths if path not in work.node.unproven]
    if not mine:
        return

    def ask() -> dict[str, str]:
        work.check()
        users, nobody = proofs.parse_who(work.reach.run(proofs.who_with(mine)).encode())
        if nobody:
            raise NotYet(f"{work.name}: " + "; ".join(f"{path}: {why}" for path, why in nobody.items()))
        return users

    with work.part("who the API sees"):
        work.users = wait_for(ask, work.limits.users, what="the API to accept each renewed kubeconfig", about=work.name)


def refresh_copies(work: Work) -> None:
    """Refreshes the kubeconfig copies that the profile names. Owner and mode are kept."""
    by_path = {one.path: one.copy_of for one in work.reach.look().kubeconfigs if one.copy_of}
    pairs = [(path, by_path[path]) for path in work.node.copies if path in by_path]
    if not pairs:
        return
    work.check()
    with work.part("copies of kubeconfigs"):
        told = work.reach.run(scripts.refresh(work.reach.where, work.record, pairs))
        work.copies, work.copies_left = scripts.parse_refreshed(told)
    for path, why in work.copies_left.items():
        log_about(work.name).warning("%s is not refreshed: %s", path, why)


def end(work: Work) -> None:
    """Closes the record on the node, so that nothing is left to resume."""
    work.reach.run(scripts.end(work.orders.run_id))


def result(work: Work) -> NodeRotated:
    """Returns the result of the node, with the expiry of what was renewed, as the node has it now."""
    now = work.reach.look()
    names = (*(work.found.leaves if work.found else ()), *([KUBELET_CLIENT] if work.node.kubelet else []))
    ends = {name: one.not_after for name in names if (one := now.named(name)) and one.not_after}
    return NodeRotated(
        node=work.name,
        renewed=ends,
        restarted=tuple(work.restarted),
        copies=work.copies,
        copies_left=work.copies_left,
        users=work.users,
        leader_moved_to=work.leader_moved_to,
        copy_file=work.found.copy_file if work.found else "",
        parts=tuple(work.parts.parts),
        took=work.parts.took,
    )


def _is_written_since(node: NodeCertificates, leaf: str, begun: datetime) -> bool:
    one = node.named(leaf)
    return bool(one and one.written_at and one.written_at >= begun)
