"""Reads what interrupted runs of any runbook left on a node, with one short read-only query over SSH."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.core.models.folders import CA_ROTATIONS, PATCHES, RESTORES, ROTATIONS
from tasks.core.models.kubeadm import PARKED, Authority
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.run.models.records import UPGRADE_JOBS, OpenRecord, RecordKind

FILES = {
    RecordKind.CERTIFICATES: f"{ROTATIONS}/record.json",
    RecordKind.RESTORE: f"{RESTORES}/record.json",
    RecordKind.PATCH: f"{PATCHES}/intent",
}
"""Names the JSON files of runs in progress."""

BEGAN = {
    RecordKind.CERTIFICATES: "cert_rotation",
    RecordKind.RESTORE: "etcd_restore_from_s3",
    RecordKind.PATCH: "node_os_patch",
}
"""Names the runbook of a record that does not name it itself."""


def look(parked: str = PARKED) -> str:
    """Prints the open records of a node, for `parse`.

    `parked` is the folder of manifests that are away from kubelet.
    """
    return script(
        __file__,
        "records",
        certificates=FILES[RecordKind.CERTIFICATES],
        restore=FILES[RecordKind.RESTORE],
        patch=FILES[RecordKind.PATCH],
        halves=CA_ROTATIONS,
        cas=tuple(Authority),
        parked=parked,
    )


def parse(node: str, stdout: bytes) -> tuple[OpenRecord, ...]:
    """Parses the output of `look`.

    If the record of a run explains the manifests that are away, they get no record of their own.
    """
    told = Printed.of(stdout)
    found = [*_of_files(node, told), *_of_halves(node, told), *_of_jobs(node, told)]
    explained = any(one.kind in {RecordKind.CERTIFICATES, RecordKind.RESTORE} for one in found)
    return (*found, *(() if explained else _of_parked(node, told)))


def unseen(stdout: bytes) -> str:
    """Returns why the jobs on the node are not known; empty if they are."""
    words = Printed.of(stdout).all("unseen")
    return f"systemd does not say which jobs run: {words[0]}" if words else ""


def _of_files(node: str, told: Printed) -> Iterator[OpenRecord]:
    for kind, file in FILES.items():
        for changed, text in told.pairs(kind):
            record = _json(text)
            began = _time(record.get("begun_at")) or datetime.fromtimestamp(int(changed), UTC)
            yield OpenRecord(
                kind=kind,
                node=node,
                runbook=str(record.get("runbook") or BEGAN[kind]),
                run_id=str(record.get("run_id") or record.get("id") or ""),
                began_at=began,
                about=str(record.get("backup") or ""),
                file=file,
            )


def _of_halves(node: str, told: Printed) -> Iterator[OpenRecord]:
    for name, changed in told.pairs(RecordKind.CA):
        began = datetime.fromtimestamp(int(changed), UTC)
        yield OpenRecord(kind=RecordKind.CA, node=node, runbook="ca_rotation", began_at=began, about=name)


def _of_jobs(node: str, told: Printed) -> Iterator[OpenRecord]:
    for name in told.all(RecordKind.UPGRADE):
        if name.startswith(UPGRADE_JOBS):
            yield OpenRecord(kind=RecordKind.UPGRADE, node=node, runbook="rolling_upgrade", about=name)


def _of_parked(node: str, told: Printed) -> Iterator[OpenRecord]:
    away = told.pairs(RecordKind.PARKED)
    if away:
        pods = ", ".join(name for name, _ in away)
        began = min(datetime.fromtimestamp(int(changed), UTC) for _, changed in away)
        yield OpenRecord(kind=RecordKind.PARKED, node=node, runbook="", began_at=began, about=pods)


def _json(text: str) -> Mapping[str, Any]:
    """Parses a record; the result is empty if it cannot be read, because its existence alone counts."""
    try:
        found = json.loads(base64.b64decode(text))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
