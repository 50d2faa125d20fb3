"""Decides what an open record of one runbook means for another: the runbook that began it finishes it first."""

import shlex
from collections.abc import Iterator
from typing import TypeVar

from tasks.core.commands import run_command
from tasks.core.models.findings import Finding, cautioned, listed, refused, softened
from tasks.core.models.plan import Caution, Plan, Refusal, figure
from tasks.run.models.records import OpenRecord, OpenRecords, RecordKind

P = TypeVar("P", bound=Plan)

RESTORE = "etcd_restore_from_s3"

OWN = {
    RecordKind.CA: {"ca_rotation"},
    RecordKind.RESTORE: {RESTORE},
    RecordKind.PATCH: {"node_os_patch", "node_reboot"},
    RecordKind.PARKED: {RESTORE, "cert_rotation", "ca_rotation"},
}
"""Lists the runbooks that resume a record or repair it, whichever run began it.

For leaf certificates it is only the runbook that the record names.
"""

BETWEEN_STAGES = {"certificate_issue"}
"""Lists the runbooks that may not run between the stages of a CA rotation, which may be days apart.

`rolling_upgrade` has its own rule.
"""

WHAT = {
    RecordKind.CERTIFICATES: "a rotation of certificates",
    RecordKind.CA: "a rotation of the CA",
    RecordKind.RESTORE: "a restore of backup",
    RecordKind.PATCH: "a patch or a reboot",
    RecordKind.UPGRADE: "a job of an upgrade is at work:",
    RecordKind.PARKED: "manifests are away from kubelet:",
}


def mind_records(  # noqa: PLR0913 - who runs, where, and what it has
    plan: P, records: OpenRecords, runbook: str, cluster: str, *, nodes: tuple[str, ...] = (), no_api: bool = False
) -> P:
    """Returns the plan with what the open records of others mean for it.

    With `nodes`, records on other nodes stop nothing. A restore is for disasters: only its own record stops it. With
    `no_api`, the API is down or takes no writes, so nothing can resume a patch. Its record does not stop the run that
    repairs the API.
    """
    findings = list(_findings(records, runbook, cluster, nodes, no_api=no_api))
    if not plan.steps or runbook == RESTORE:
        findings = [softened(one) for one in findings]
    return plan.model_copy(
        update={
            "refusals": (*plan.refusals, *(one for one in findings if isinstance(one, Refusal))),
            "cautions": (*plan.cautions, *(one for one in findings if isinstance(one, Caution))),
        }
    )


def what_stops(
    records: OpenRecords, runbook: str, cluster: str, *, nodes: tuple[str, ...] = (), no_api: bool = False
) -> tuple[Refusal, ...]:
    """Returns the open records that stop a run, by the same rules as `mind_records`."""
    findings = _findings(records, runbook, cluster, nodes, no_api=no_api)
    return tuple(one for one in findings if isinstance(one, Refusal))


def _findings(
    records: OpenRecords, runbook: str, cluster: str, nodes: tuple[str, ...], *, no_api: bool
) -> Iterator[Finding]:
    if records.blind:
        yield cautioned(
            "ssh",
            "the profile has no ssh or no nodes: records of interrupted runs on nodes cannot be seen",
            "make sure that no other run was interrupted, or add ssh: and nodes: to the profile",
        )
    if records.unseen:
        told = listed([f"{name}{figure(f' ({why})')}" for name, why in records.unseen.items()])
        yield cautioned("nodes", f"records of interrupted runs cannot be seen on {told}")
    for one in records.found:
        if runbook not in OWN.get(one.kind, {one.runbook}):
            found = _finding(one, runbook, cluster, nodes)
            yield softened(found) if no_api and one.kind is RecordKind.PATCH else found


def _finding(one: OpenRecord, runbook: str, cluster: str, nodes: tuple[str, ...]) -> Finding:
    of_all = one.kind is RecordKind.CA  # it is the CA of every node, on whichever its halves lie
    stops = runbook in BETWEEN_STAGES if of_all else (not nodes or one.node in nodes) and not one.in_service
    judge = refused if stops else cautioned
    return judge(one.node, _in_words(one), _next_step(one, cluster))


def _in_words(one: OpenRecord) -> str:
    when = f"{one.began_at:%Y-%m-%d %H:%M} UTC" if one.began_at else "an unknown time"
    what = f"{WHAT[one.kind]} {one.about}".strip()
    if one.kind is RecordKind.UPGRADE:
        return what
    if one.kind is RecordKind.PARKED:
        return f"{what}, since {when}"
    who = f", by run {one.run_id} of {one.runbook}" if one.run_id else f", by {one.runbook}"
    return f"{what} began there at {when}{who}, and has not ended"


def _next_step(one: OpenRecord, cluster: str) -> str:
    """Returns the command that resumes the record, or where to read how it is finished."""
    reason = shlex.quote(f"resume run {one.run_id}".removesuffix(" "))
    of_node = (one.node, reason) if one.runbook == "node_reboot" else ()
    command = f"`{run_command(one.runbook, cluster, *of_node, '--mode=apply')}`"
    match one.kind:
        case RecordKind.CERTIFICATES if one.runbook == "cert_rotation":
            return f"resume it: {command}; it says how to end a record that it cannot resume"
        case RecordKind.CERTIFICATES | RecordKind.CA:
            return "run its stage of ca_rotation again, or the next one: docs/ca-rotation.md"
        case RecordKind.RESTORE:
            confirmed = run_command(one.runbook, cluster, "--mode=apply", f"--confirm={cluster}")
            resume = f"resume it by `{confirmed}`, or undo it with --rollback added"
            return f"{resume}; if the cluster went on without it, {_set_aside(one)}"
        case RecordKind.PATCH:
            resume = f"resume it: {command}; if it finds nothing to do there"
            return f"{'the node is in service again' if one.in_service else resume}, {_set_aside(one)}"
        case RecordKind.UPGRADE:
            return "wait until `systemctl list-units 'kube-runbooks-*'` shows none there, then run this again"
        case _:
            return (
                "look for a restore or a rotation that was interrupted; cert_rotation brings them back: "
                f"`{run_command('cert_rotation', cluster)}`"
            )


def _set_aside(one: OpenRecord) -> str:
    """Returns the command for a person if no run removes the record."""
    return f"`sudo mv {one.file} {one.file}.void` on {one.node}"
