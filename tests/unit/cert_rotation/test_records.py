"""What an earlier run has left on a node: read by a real shell, and whether it is still true."""

from datetime import timedelta

import pytest

from tasks.cert_rotation.models.rotation import (
    OnNode,
    Phase,
)
from tasks.cert_rotation.policy.records import what_has_changed
from tasks.cert_rotation.probes import records
from tasks.certificates.models.inventory import NodeCertificates
from tests.facts.certificates import NOW, changed, control_plane
from tests.facts.rotation import (
    facts,
    planned,
    record,
    refusals,
    three,
)
from tests.facts.rotation_machine import Machine


def test_a_record_that_cannot_be_understood_is_no_node_without_one(machine: Machine) -> None:
    """Cut off, or of another version."""
    machine.work.mkdir()
    (machine.work / "record.json").write_text('{"run_id": "x"')
    left = records.parse_left("cp1", machine.shell(records.look_at_record()).stdout)
    assert left.record is None
    assert "could not be parsed" in left.unreadable


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (control_plane("cp3", kubeadm="v1.38.0"), "kubeadm is v1.38.0, it was v1.37.2"),
        (control_plane("cp3", manifest_sums={"etcd": "2"}), "the manifest of etcd has changed"),
        (changed(control_plane("cp3"), "etcd-peer", fingerprint="new"), "etcd-peer is another certificate"),
        (changed(control_plane("cp3"), "ca", fingerprint="new"), "ca is another certificate"),
        (
            changed(control_plane("cp3", days=9), "apiserver", fingerprint="a year old"),
            "apiserver was renewed since, and expires at 2026-12-04 12:00 UTC",
        ),
    ],
)
@pytest.mark.parametrize("phase", Phase)
def test_a_record_of_another_time_is_void(node: NodeCertificates, said: str, phase: Phase) -> None:
    """An upgrade, a person, or a year in between: its copy is never put back, and "renewed" is never said of what nobody renewed."""
    left = (OnNode(node="cp3", record=record(phase)),)
    plan = planned(facts(control_plane("cp1"), control_plane("cp2"), node, left=left))
    told = refusals(plan)
    assert (
        f"run dead of cert_rotation was interrupted there at 2026-11-25 12:00 UTC, and its record is void: {said}"
        in told
    )
    assert "sudo mv /var/lib/kube-runbooks/certificates/record.json" in told


def test_a_record_that_says_not_what_it_is_of_is_void_and_so_is_one_in_other_words() -> None:
    """Of an earlier version of these runbooks, or damaged."""
    old = planned(three(left=(OnNode(node="cp3", record=record(taken_from=None)),)))
    assert "it does not say what its copy was taken from" in refusals(old)
    damaged = three(days=200, left=(OnNode(node="cp3", unreadable="record.json exists and could not be parsed"),))
    assert "cp3: record.json exists and could not be parsed" in refusals(planned(damaged))


def test_what_the_run_itself_has_renewed_is_no_change() -> None:
    """Also where leaves live for less than `renew_before`; and a rotation of a CA changes CAs."""
    renewed = changed(control_plane("cp3"), "apiserver", fingerprint="new")
    short = changed(renewed, "apiserver", not_before=NOW, not_after=NOW + timedelta(days=9))
    for node in (renewed, short):
        found = facts(control_plane("cp1"), control_plane("cp2"), node, left=(OnNode(node="cp3", record=record()),))
        assert not planned(found).refusals
    rotated = changed(control_plane("cp3"), "ca", fingerprint="new")
    assert what_has_changed(record(runbook="ca_rotation"), rotated) == ()
    assert what_has_changed(record(), rotated) == ("ca is another certificate",)
    gone = control_plane("cp3", kubeadm="")
    assert what_has_changed(record(), gone) == ("kubeadm is gone, it was v1.37.2",)
