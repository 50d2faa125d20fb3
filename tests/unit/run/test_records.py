"""Open records of interrupted runs: found on a node by one script, and what they mean for every other runbook."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.cert_rotation.models.rotation import RotationRecord
from tasks.cluster import Cluster
from tasks.control_plane.models import RestoreRecord
from tasks.core.errors import NotYet, Refused
from tasks.core.models.plan import Plan, Step
from tasks.run.models.records import OpenRecord, OpenRecords, RecordKind
from tasks.run.policy.records import mind_records
from tasks.run.probes.records import look, parse
from tasks.run.records import find_records, refuse_what_stops

BEGAN = datetime(2026, 11, 25, 12, tzinfo=UTC)
STEP = Step(subject="cp1", act="x", reason="y")
ALL = (
    *("cert_rotation", "ca_rotation", "rolling_upgrade", "node_os_patch", "node_reboot", "etcd_maintenance"),
    *("certificate_issue", "etcd_restore_from_s3"),
)


def a(kind: RecordKind, runbook: str, **changes: object) -> OpenRecord:
    """Of a run that was interrupted on cp1."""
    values = {"kind": kind, "node": "cp1", "runbook": runbook, "run_id": "run-1", "began_at": BEGAN}
    return OpenRecord.model_validate(values | changes)


def told(one: OpenRecord, runbook: str, nodes: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """Refusals and cautions of a plan that does something."""
    plan = mind_records(Plan(steps=(STEP,)), OpenRecords(found=(one,)), runbook, "prod", nodes=nodes)
    return (
        [f"{x.subject}: {x.problem} -> {x.next_step}" for x in plan.refusals],
        [f"{x.subject}: {x.problem} -> {x.next_step}" for x in plan.cautions],
    )


ROTATION = a(RecordKind.CERTIFICATES, "cert_rotation")
OF_CA = a(RecordKind.CERTIFICATES, "ca_rotation")
HALVES = a(RecordKind.CA, "ca_rotation", run_id="", about="etcd-ca")
RESTORED = a(RecordKind.RESTORE, "etcd_restore_from_s3", about="20261125-b")
PATCHED = a(RecordKind.PATCH, "node_os_patch")
UPGRADING = a(RecordKind.UPGRADE, "rolling_upgrade", run_id="", began_at=None, about="kubeadm-1-37-2-run-1")
PARKED = a(RecordKind.PARKED, "", run_id="", about="etcd")


@pytest.mark.parametrize(
    ("one", "own"),
    [
        (ROTATION, {"cert_rotation"}),
        (OF_CA, {"ca_rotation"}),
        (RESTORED, {"etcd_restore_from_s3"}),
        (PATCHED, {"node_os_patch", "node_reboot"}),
        (UPGRADING, {"rolling_upgrade"}),
        (PARKED, {"cert_rotation", "ca_rotation", "etcd_restore_from_s3"}),
        (HALVES, {"ca_rotation"}),
    ],
)
@pytest.mark.parametrize("runbook", ALL)
def test_who_is_stopped_by_whose_record(one: OpenRecord, own: set[str], runbook: str) -> None:
    """Its own runbook resumes it, a restore is warned alone; between the stages of a CA rotation only who writes certificates is stopped."""
    refusals, cautions = told(one, runbook)
    if runbook in own:
        assert (refusals, cautions) == ([], [])
    elif runbook == "etcd_restore_from_s3" or (one is HALVES and runbook != "certificate_issue"):
        assert (len(refusals), len(cautions)) == (0, 1)
    else:
        assert (len(refusals), len(cautions)) == (1, 0)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            ROTATION,
            "cp1: a rotation of certificates began there at 2026-11-25 12:00 UTC, by run run-1 of cert_rotation, and has not ended -> "
            "resume it: `kube-runbooks run cert-rotation prod --mode=apply`; it says how to end a record that it cannot resume",
        ),
        (OF_CA, "run its stage of ca_rotation again, or the next one: docs/ca-rotation.md"),
        (RESTORED, "a restore of backup 20261125-b began there"),
        (
            RESTORED,
            "resume it by `kube-runbooks run etcd-restore prod --mode=apply --confirm=prod`, or undo it with --rollback added",
        ),
        (PATCHED, "resume it: `kube-runbooks run node-os-patch prod --mode=apply`"),
        (PARKED, "cp1: manifests are away from kubelet: etcd, since 2026-11-25 12:00 UTC"),
        (
            a(RecordKind.PATCH, "node_reboot", run_id="", began_at=None),
            "began there at an unknown time, by node_reboot",
        ),
        (
            a(RecordKind.PATCH, "node_reboot"),
            "resume it: `kube-runbooks run node-reboot prod cp1 'resume run run-1' --mode=apply`",
        ),
        (
            UPGRADING,
            "cp1: a job of an upgrade is at work: kubeadm-1-37-2-run-1 -> wait until `systemctl list-units 'kube-runbooks-*'` shows none there",
        ),
    ],
)
def test_each_is_told_with_its_run_and_what_resumes_it(one: OpenRecord, said: str) -> None:
    """A command that can be copied."""
    refusals, _ = told(one, "etcd_maintenance")
    assert said in refusals[0]


def test_a_record_on_another_node_is_a_caution_for_work_on_one() -> None:
    """A node that has to be rebooted now is not held up by what another one has."""
    assert told(ROTATION, "node_reboot", ("w1",))[0] == []
    assert len(told(ROTATION, "node_reboot", ("w1",))[1]) == 1
    assert len(told(ROTATION, "node_reboot", ("cp1",))[0]) == 1
    assert len(told(HALVES, "node_reboot", ("cp1",))[1]) == 1
    assert len(told(HALVES, "certificate_issue", ("cp4",))[0]) == 1


def test_a_patch_of_a_node_that_is_in_service_again_stops_nobody() -> None:
    """Its own runbook would find nothing to do there, so its record would stop all others for ever."""
    given_back = a(RecordKind.PATCH, "node_os_patch", in_service=True, file="/x/intent")
    for runbook in ("rolling_upgrade", "etcd_maintenance", "cert_rotation"):
        refusals, cautions = told(given_back, runbook)
        assert refusals == []
        assert "`sudo mv /x/intent /x/intent.void` on cp1" in cautions[0]
    assert (
        "`sudo mv /x/intent /x/intent.void` on cp1"
        in told(given_back.model_copy(update={"in_service": False}), "x")[0][0]
    )


def test_who_brings_the_api_back_is_not_stopped_by_a_patch_that_needs_it() -> None:
    """A full etcd, or certificates that have all expired, while a patch died on a worker: neither could go first."""
    for one, stops in ((PATCHED, 0), (RESTORED, 1), (ROTATION, 1)):
        plan = mind_records(Plan(steps=(STEP,)), OpenRecords(found=(one,)), "etcd_maintenance", "prod", no_api=True)
        assert (len(plan.refusals), len(plan.cautions)) == (stops, 1 - stops)


def test_why_a_node_does_not_answer_is_no_part_of_an_approval() -> None:
    """Which node it is, is."""
    plans = [
        mind_records(Plan(steps=(STEP,)), OpenRecords(unseen={name: why}), "node_os_patch", "prod")
        for name, why in (("w1", "after 3 ms"), ("w1", "after 9 ms"), ("w2", "after 9 ms"))
    ]
    assert len({plan.cautions[0].basis for plan in plans}) == 2


def test_what_cannot_be_seen_is_said_and_a_plan_without_steps_is_not_stopped() -> None:
    """No SSH, or a node that does not answer."""
    blind = mind_records(Plan(steps=(STEP,)), OpenRecords(blind=True), "etcd_maintenance", "prod")
    assert "records of interrupted runs on nodes cannot be seen" in blind.cautions[0].problem
    unseen = mind_records(Plan(steps=(STEP,)), OpenRecords(unseen={"w1": "no route"}), "node_os_patch", "prod")
    assert "cannot be seen on w1 (no route)" in unseen.cautions[0].problem
    idle = mind_records(Plan(), OpenRecords(found=(ROTATION,)), "etcd_maintenance", "prod")
    assert (len(idle.refusals), len(idle.cautions)) == (0, 1)


def on_a_node(root: Path, *units: str) -> tuple[OpenRecord, ...]:
    """By the script itself, on a folder; its systemd has these units."""
    lines = "".join(f"kube-runbooks-{unit}.service loaded active running /bin/sh -c x\n" for unit in units)
    (root / "units").write_text(lines)
    script = f"systemctl() {{ cat {root}/units; }}\n{look()}".replace("/var/lib/kube-runbooks", f"{root}/lib")
    script = script.replace("/etc/kubernetes/kube-runbooks-parked", f"{root}/parked")
    return parse("cp1", subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout)


def test_a_script_finds_all_kinds(tmp_path: Path) -> None:
    """With the id of the run and when it began; what has ended is no record any more."""
    assert on_a_node(tmp_path) == ()
    for folder in ("certificates", "restore", "patch", "ca-rotation/etcd-ca", "ca-rotation/ca-ended-1"):
        (tmp_path / "lib" / folder).mkdir(parents=True)
    record = RotationRecord(run_id="run-9", begun_at=BEGAN, runbook="ca_rotation")
    (tmp_path / "lib/certificates/record.json").write_text(record.model_dump_json())
    (tmp_path / "lib/certificates/run-8.ended").write_text("{}")
    restored = RestoreRecord(id="run-7", backup="b", members=("cp1",))
    (tmp_path / "lib/restore/record.json").write_text(restored.model_dump_json(exclude={"phase"}))
    (tmp_path / "lib/patch/intent").write_text('{"run_id": "run-6"}')
    (tmp_path / "parked").mkdir()
    (tmp_path / "parked/etcd.yaml").write_text("x")
    jobs = ("backup-1", "stage-1-37-2-run-5", "patch-run-5", "kubeadm-1-37-2-run-5")
    found = {one.kind: one for one in on_a_node(tmp_path, *jobs)}
    assert set(found) == set(RecordKind) - {RecordKind.PARKED}
    assert (found[RecordKind.CERTIFICATES].runbook, found[RecordKind.CERTIFICATES].began_at) == ("ca_rotation", BEGAN)
    assert (found[RecordKind.RESTORE].run_id, found[RecordKind.RESTORE].about) == ("run-7", "b")
    assert (found[RecordKind.PATCH].run_id, found[RecordKind.PATCH].runbook) == ("run-6", "node_os_patch")
    assert found[RecordKind.PATCH].began_at is not None
    assert found[RecordKind.CA].about == "etcd-ca"
    assert (found[RecordKind.UPGRADE].about, found[RecordKind.UPGRADE].runbook) == (jobs[3], "rolling_upgrade")


@pytest.mark.parametrize("text", ["", "{", "[]", "\\xff"])
def test_a_record_that_cannot_be_read_is_one_all_the_same(tmp_path: Path, text: str) -> None:
    """Its run is not known; when it was written is."""
    (tmp_path / "lib/certificates").mkdir(parents=True)
    (tmp_path / "lib/certificates/record.json").write_text(text)
    [found] = on_a_node(tmp_path)
    assert (found.kind, found.run_id, found.runbook) == (RecordKind.CERTIFICATES, "", "cert_rotation")


def test_manifests_that_are_away_without_a_record_are_told(tmp_path: Path) -> None:
    """Nobody else says for whom."""
    (tmp_path / "parked").mkdir()
    for pod in ("etcd", "kube-apiserver"):
        (tmp_path / f"parked/{pod}.yaml").write_text("x")
    [found] = on_a_node(tmp_path)
    assert (found.kind, found.about, found.runbook) == (RecordKind.PARKED, "etcd, kube-apiserver", "")


def a_cluster(run: Callable[[str], object], *names: str, ssh: object = "ssh", kube: object = None) -> Cluster:
    """With these answers of its nodes."""
    profile = SimpleNamespace(ssh=ssh, nodes=[SimpleNamespace(name=name) for name in names])
    handle = SimpleNamespace(
        profile=profile,
        kube=kube,
        node=lambda name: SimpleNamespace(run=lambda *_, **__: run(name)),
        shape=lambda _: SimpleNamespace(parked="/etc/kubernetes/kube-runbooks-parked"),
    )
    return cast("Cluster", handle)


def test_an_answer_that_nobody_understands_is_a_fact() -> None:
    """A disk that fails, whose `stat` says nothing, ends no restore."""

    def run(_: str) -> SimpleNamespace:
        return SimpleNamespace(stdout=b"certificates  e30=\n")

    assert "could not be parsed" in find_records(a_cluster(run, "cp1")).unseen["cp1"]


@pytest.mark.parametrize(
    ("node", "in_service"),
    [
        ({"metadata": {"name": "w1"}, "spec": {}}, True),
        ({"metadata": {"name": "w1"}, "spec": {"unschedulable": True}}, False),
        ({"metadata": {"name": "w1"}, "spec": {"unschedulable": "who knows"}}, False),
        (None, False),
        (NotYet("no API"), False),
    ],
)
def test_the_api_says_whether_a_patched_node_was_given_back(node: object, *, in_service: bool) -> None:
    """A run that died between its last two acts, or a person who uncordoned; without an API the record counts."""

    def find(_: str) -> object:
        if isinstance(node, Exception):
            raise node
        return node

    def run(_: str) -> SimpleNamespace:
        return SimpleNamespace(stdout=b"patch 1764000000 e30=\n")

    (found,) = find_records(a_cluster(run, "w1", kube=SimpleNamespace(find=find))).found
    assert (found.kind, found.in_service, found.file.endswith("/patch/intent")) == (RecordKind.PATCH, in_service, True)


def test_all_nodes_are_asked_and_who_does_not_answer_is_told() -> None:
    """Without SSH nobody can be asked, which is said too."""

    def run(name: str) -> SimpleNamespace:
        if name == "w1":
            raise NotYet("no route")
        return SimpleNamespace(stdout=b"parked etcd 1764000000\n")

    found = find_records(a_cluster(run, "cp1", "w1"))
    assert [one.node for one in found.found] == ["cp1"]
    assert found.unseen == {"w1": "no route"}
    assert find_records(a_cluster(run, "cp1", ssh=None)) == OpenRecords(blind=True)


def test_a_record_that_came_after_the_plan_stops_the_run_before_its_first_act() -> None:
    """Another run held the lock while this one planned, and died."""
    left = SimpleNamespace(stdout=b"")
    cluster = a_cluster(lambda _: left, "cp1")
    assert find_records(cluster).found == ()
    refuse_what_stops(find_records(cluster), "prod", "rolling_upgrade")
    left.stdout = b"certificates 1764000000 e30=\n"
    found = find_records(cluster)
    with pytest.raises(Refused, match="cp1: a rotation of certificates began there at .*, and has not ended") as caught:
        refuse_what_stops(found, "prod", "rolling_upgrade")
    assert "run cert-rotation prod" in caught.value.hint
    refuse_what_stops(found, "prod", "cert_rotation")
    assert found.found


def test_a_systemd_that_does_not_answer_is_no_sign_that_no_job_runs(tmp_path: Path) -> None:
    """What else is there is found all the same, and the plan says what is not known."""
    (tmp_path / "parked").mkdir()
    (tmp_path / "parked/etcd.yaml").write_text("x")
    script = f"systemctl() {{ echo 'Failed to connect to bus' >&2; return 1; }}\n{look(f'{tmp_path}/parked')}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    found = find_records(a_cluster(lambda _: SimpleNamespace(stdout=done.stdout), "cp1"))
    assert [one.kind for one in found.found] == [RecordKind.PARKED]
    assert found.unseen == {"cp1": "systemd does not say which jobs run: Failed to connect to bus"}
