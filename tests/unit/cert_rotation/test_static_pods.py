"""Whether a static pod has what is on disk, and whether it is still on its way up."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.cert_rotation.policy.static_pods import has_to_start_again, runs_as_before, what_pod_lacks, why_silent
from tasks.certificates.models.inventory import Process, Served
from tasks.core.models.findings import Problem
from tests.facts.certificates import NOW, STARTED, changed, control_plane


def told(problem: Problem | None) -> str:
    """In words; nothing where there is none."""
    return str(problem or "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"manifests": {"etcd": "parked"}}, "the manifest of etcd is not in its place"),
        ({"processes": ()}, "etcd does not run"),
    ],
)
def test_a_pod_that_is_away_lacks_everything(changes: dict[str, Any], said: str) -> None:
    """Whatever is on disk."""
    assert told(what_pod_lacks(control_plane(**changes), "etcd")) == said


def test_older_than_its_file_or_with_another_serial_on_the_wire() -> None:
    """A client certificate is on no wire: there the times have to do."""
    node = changed(control_plane(), "scheduler.conf", written_at=NOW)
    assert told(what_pod_lacks(node, "kube-scheduler")).endswith("before scheduler.conf was written")
    other = changed(control_plane(), "etcd-server", fingerprint="new", serial="AB")
    assert "/etc/kubernetes/pki/etcd/server.crt has AB" in told(what_pod_lacks(other, "etcd"))
    assert what_pod_lacks(other, "kube-apiserver") is None


def test_a_pod_on_its_way_up_is_silent() -> None:
    """It runs, and presents nothing yet."""
    node = control_plane()
    assert why_silent(node, "etcd") is None
    waiting = node.model_copy(update={"served": (Served(port=2380, name="etcd", path="/x", problem="nothing"),)})
    assert told(why_silent(waiting, "etcd")) == "etcd presents no certificate at 2380"
    assert what_pod_lacks(waiting, "etcd") is None
    assert told(why_silent(control_plane(processes=()), "etcd")) == "etcd does not run"


@pytest.mark.parametrize(
    ("started", "as_before", "again"),
    [(timedelta(minutes=-1), True, True), (timedelta(minutes=1), False, True), (timedelta(minutes=9), False, False)],
)
def test_what_has_read_files_that_went_is_started_once_more(
    started: timedelta, *, as_before: bool, again: bool
) -> None:
    """Not what was never started anew, which is asked first, nor what has read those of before again."""
    process = Process(name="etcd", started_at=STARTED + started)
    node = control_plane(processes=(process,))
    assert runs_as_before(node, "etcd", STARTED) is as_before
    assert has_to_start_again(node, "etcd", STARTED + timedelta(minutes=5)) is again
    assert has_to_start_again(node, "kube-apiserver", NOW)
    assert not runs_as_before(node, "kube-apiserver", NOW)
    parked = control_plane(manifests={"etcd": "parked"})
    assert has_to_start_again(parked, "etcd", NOW)
    assert not runs_as_before(parked, "etcd", NOW)
