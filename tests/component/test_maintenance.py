"""`etcd_maintenance` and `etcd_health` on real members: one at a time, the leader last, and only where it is worth it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from flows.etcd_health import etcd_health
from flows.etcd_maintenance import etcd_maintenance
from tasks.clients import etcd as etcd_client
from tasks.cluster import open_cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome
from tasks.etcd import steps as maintenance
from tasks.etcd.models import Worth
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import what_ails
from tasks.run.leases import PLACE
from tasks.run.locks import locked
from tasks.run.models.lock import Holder
from tests.servers.binaries import ROOT
from tests.servers.etcd import EtcdCluster
from tests.servers.etcd_pages import fragment, leader_of, made_smaller, revision_of, sizes
from tests.servers.hollow import HollowNodes
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.site import Site

NewSite = Callable[[EtcdCluster], Site]
ANY = Worth(reclaimable_mib=1, reclaimable_percent=10)
QUOTA = 24 * 2**20
CHANGES = 30


@pytest.fixture(autouse=True)
def _quick(prefect: PrefectServer, quick_retries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as ever, without the waits between them."""
    del prefect, quick_retries
    monkeypatch.setattr(etcd_client, "HEALTH_SECONDS", 2.0)
    monkeypatch.setattr(etcd_client, "CALL_SECONDS", 3.0)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members."""
    with EtcdCluster(tmp_path_factory.mktemp("three"), ("m1", "m2", "m3")) as cluster:
        yield cluster


@pytest.fixture
def fragmented(three: EtcdCluster) -> EtcdCluster:
    """Most of its pages are free on every member."""
    fragment(three)
    return three


def test_every_member_is_made_smaller_one_at_a_time_and_the_leader_last(
    fragmented: EtcdCluster, new_site: NewSite
) -> None:
    """The leadership is moved away before; all members keep their data."""
    site = new_site(fragmented)
    before, leader = sizes(fragmented), leader_of(fragmented)
    report = etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
    assert report.outcome is Outcome.COMPLETED
    done = [step.evidence for step in report.done if step.step == "defragment member"]
    assert [one["member"] for one in done][-1] == leader
    assert sorted(str(one["member"]) for one in done) == ["m1", "m2", "m3"]
    assert done[-1]["leader_moved_to"]
    assert [one["leader_moved_to"] for one in done[:-1]] == ["", ""]
    assert all(after * 2 < before[name] for name, after in sizes(fragmented).items())
    assert leader_of(fragmented) != leader
    hashes = json.loads(fragmented.etcdctl("endpoint", "hashkv", "--write-out=json"))
    assert len({one["HashKV"]["hash"] for one in hashes}) == 1


def test_what_is_not_worth_it_is_left_alone_with_the_reason(fragmented: EtcdCluster, new_site: NewSite) -> None:
    """A plan changes nothing; a threshold that is out of range is refused by name."""
    site = new_site(fragmented)
    before = sizes(fragmented)
    plan = etcd_maintenance(site.name, worth=ANY)
    assert plan.plan
    assert len(plan.plan.steps) == 3
    report = etcd_maintenance(site.name, mode=Mode.APPLY)
    assert report.plan
    assert report.plan.steps == ()
    assert all("worth it are 100 MiB and 50 %" in skip.reason for skip in report.plan.skips)
    assert made_smaller(fragmented, before) == []
    with pytest.raises(Exception, match="reclaimable_percent"):
        etcd_maintenance(site.name, worth={"reclaimable_percent": 101})  # type: ignore[call-overload]


def test_no_member_is_touched_while_another_one_is_missing(fragmented: EtcdCluster, new_site: NewSite) -> None:
    """Neither at the start, nor when it goes away in the middle of the run."""
    site = new_site(fragmented)
    before = sizes(fragmented)
    fragmented["m2"].freeze()
    try:
        with pytest.raises(Refused, match="m2: direct did not work") as refused:
            etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
        assert "repair it first" in refused.value.hint
        with pytest.raises(Refused, match="m2"):
            etcd_health(site.name)
    finally:
        fragmented["m2"].thaw()
    fragmented["m2"].wait_healthy()
    assert made_smaller(fragmented, before) == []
    facts = look_at_members(open_cluster(site.name), "direct")
    follower = next(member for member in facts.members if member.status and not member.status.is_leader)
    other = next(name for name in ("m1", "m2", "m3") if name != follower.name)
    fragmented[other].freeze()
    try:
        with pytest.raises(NotYet, match="a quorum is 2|does not answer"):
            maintenance.defragment_member.fn(site.name, follower, ANY, "direct", lambda: None, allow_downtime=False)
    finally:
        fragmented[other].thaw()
    fragmented[other].wait_healthy()
    assert made_smaller(fragmented, before) == []


def test_a_run_that_is_killed_in_the_middle_is_run_again(
    fragmented: EtcdCluster, new_site: NewSite, prefect_server: PrefectServer
) -> None:
    """What is done is seen and not done twice."""
    site = new_site(fragmented)
    parameters = {"cluster": site.name, "mode": "apply", "worth": ANY.model_dump()}
    words = [sys.executable, "-m", "tests.servers.runner", "etcd_maintenance", json.dumps(parameters)]
    environment = os.environ | prefect_server.env | site.environment
    died = subprocess.run([*words, "after defragment member"], cwd=ROOT, env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    report = etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
    assert len([step for step in report.done if step.step == "defragment member"]) == 2
    assert etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY).plan.steps == ()  # type: ignore[union-attr]


def test_it_waits_for_nobody_and_sees_nodes_that_others_have_taken(
    tmp_path: Path, fragmented: EtcdCluster, new_site: NewSite
) -> None:
    """The cluster's lock, which another run has, and a control plane node that somebody has cordoned."""
    site, before = new_site(fragmented), sizes(fragmented)
    names = tuple(member.name for member in fragmented.members)
    with ControlPlane(tmp_path / "kubernetes", etcd=fragmented) as cluster, HollowNodes(cluster, (), names) as nodes:
        config = site.folder / "admin.conf"
        config.touch(mode=0o600)
        config.write_text(cluster.kubeconfig())
        site.write(kubernetes={"kubeconfig": f"file:{config}"})
        leader = leader_of(fragmented)
        follower = next(name for name in names if name != leader)
        cordon = {"spec": {"unschedulable": True}}
        cluster.api.patch(nodes[follower].path, cordon)
        with pytest.raises(Refused, match=f"{follower} is cordoned") as refused:
            etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
        assert "uncordon them" in refused.value.hint
        member = next(one for one in look_at_members(open_cluster(site.name), "direct").members if one.name == leader)
        with pytest.raises(NotYet, match="its node .* is cordoned or not Ready"):
            maintenance.defragment_member.fn(site.name, member, ANY, "direct", lambda: None, allow_downtime=False)
        cluster.api.patch(nodes[follower].path, {"spec": {"unschedulable": None}})
        holder = Holder(runbook="rolling_upgrade", run_name="upgrade-prod", started_at=datetime.now(UTC))
        with (
            locked(site.name, "run-1", holder),
            pytest.raises(Refused, match=r"rolling_upgrade upgrade-prod \(run run-1, .*, and renews it"),
        ):
            etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
        assert made_smaller(fragmented, before) == []
        cluster.apiserver.kill()
        with pytest.raises(Refused, match="the API does not say which control plane nodes are cordoned"):
            etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
        cluster.start_apiserver()
        assert etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY).outcome is Outcome.COMPLETED
        lease = cluster.api.get(PLACE)["spec"]
        assert (lease.get("holderIdentity") or "", lease["leaseTransitions"]) == ("", 1)
        assert all(after < before[name] for name, after in sizes(fragmented).items())


def test_nospace_ends_after_the_proof_that_there_is_space(tmp_path: Path, new_site: NewSite) -> None:
    """The cluster refuses writes; afterwards it takes them."""
    with EtcdCluster(tmp_path / "full", ("m1", "m2", "m3"), flags=[f"--quota-backend-bytes={QUOTA}"]) as cluster:
        site = new_site(cluster)
        raise_nospace(cluster)
        with pytest.raises(Refused, match="alarm NOSPACE"):
            etcd_health(site.name)
        revision = revision_of(cluster)
        cluster.etcdctl("compact", str(revision), "--physical")
        report = etcd_maintenance(site.name, mode=Mode.APPLY)
        assert report.outcome is Outcome.COMPLETED
        assert "accepts writes again" in report.summary[-1]
        assert cluster.etcdctl("alarm", "list").strip() == ""
        assert cluster.put("a", "b") > revision
        assert etcd_health(site.name).outcome is Outcome.COMPLETED


def test_a_database_that_its_data_fills_is_not_called_repaired(tmp_path: Path, new_site: NewSite) -> None:
    """No defragmentation helps; the next step says what does, and the alarm stays."""
    with EtcdCluster(tmp_path / "full", ("m1",), flags=[f"--quota-backend-bytes={QUOTA}"]) as cluster:
        site = new_site(cluster)
        raise_nospace(cluster)
        with pytest.raises(Refused, match="are in use") as refused:
            etcd_maintenance(site.name, mode=Mode.APPLY, allow_downtime=True)
        assert "etcdctl compact" in refused.value.hint
        assert "NOSPACE" in cluster.etcdctl("alarm", "list")


def test_a_single_member_needs_leave_for_the_pause(etcd1: EtcdCluster, new_site: NewSite) -> None:
    """Its API server stops meanwhile."""
    site = new_site(etcd1)
    fragment(etcd1)
    before = sizes(etcd1)
    with pytest.raises(Refused, match="the API server stops") as refused:
        etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY)
    assert "--allow-downtime" in refused.value.hint
    assert made_smaller(etcd1, before) == []
    report = etcd_maintenance(site.name, mode=Mode.APPLY, worth=ANY, allow_downtime=True)
    assert report.outcome is Outcome.COMPLETED
    assert sizes(etcd1)["solo"] < before["solo"]


def test_a_change_of_the_leader_ails_no_member(
    three: EtcdCluster, new_site: NewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its moment each member says that nobody leads, or that the leader changed; whoever asks just then is told better."""
    monkeypatch.setattr(etcd_client, "HEALTH_SECONDS", 20.0)  # no other reason is to be told
    handle, end = open_cluster(new_site(three).name), threading.Event()
    told: list[Problem | None] = []

    def look() -> None:
        while not end.is_set():
            told.extend(what_ails(one) for one in look_at_members(handle, "direct").members)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(copy_context().run, look)
        try:
            for _ in range(CHANGES):
                move_leader(three)
        finally:
            end.set()
        looking.result()
    assert len(told) > 3 * CHANGES
    assert not any(told)


def move_leader(cluster: EtcdCluster) -> None:
    """To the next one, by etcdctl."""
    told = json.loads(cluster.etcdctl("endpoint", "status", "--write-out=json"))
    leader = next(member for member in cluster.members if member.name == leader_of(cluster))
    heir = next(one for one in told if one["Endpoint"] != leader.url)["Status"]["header"]["member_id"]
    cluster.etcdctl("move-leader", f"{heir:x}", member=leader)


def test_health_says_who_leads_and_at_which_revision(three: EtcdCluster, new_site: NewSite) -> None:
    """Where all is well."""
    report = etcd_health(new_site(three).name)
    assert report.outcome is Outcome.COMPLETED
    assert f"{leader_of(three)} leads, at revision {revision_of(three)}" in report.summary[0]


def raise_nospace(cluster: EtcdCluster) -> None:
    """Writes one key over and over until the quota is full."""
    with suppress(grpc.RpcError):
        for _ in range(40):
            cluster.seed(200, 4000, ratio=1, prefix="/one/")
    wait_until(lambda: "NOSPACE" in cluster.etcdctl("alarm", "list"), 60.0, "the alarm is raised")


def test_nobody_can_be_asked_without_a_deployment(fragmented: EtcdCluster, new_site: NewSite) -> None:
    """Nothing could start the run again: it is refused, with what to do instead."""
    site = new_site(fragmented)
    before = sizes(fragmented)
    with pytest.raises(
        Refused, match="mode=approve suspends the run, and it was not started from a deployment"
    ) as refused:
        etcd_maintenance(site.name, mode=Mode.APPROVE, worth=ANY)
    assert "--mode=plan shows the plan, and --mode=apply then acts" in refused.value.hint
    assert made_smaller(fragmented, before) == []
    assert [report["outcome"] for report in site.reports()] == ["refused"]
