"""`etcd_backup_to_s3` and `etcd_restore_drill` while something fails: either a good backup, or a sentence and nothing left."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any, Self

import pytest
from botocore.retries.standard import ExponentialBackoff
from grpc import RpcError
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry

from flows.etcd_backup_to_s3 import etcd_backup_to_s3
from flows.etcd_restore_drill import etcd_restore_drill
from tasks.backup import backups, snapshots
from tasks.clients import etcd as etcd_client
from tasks.clients.objectstore import bucket
from tasks.clients.ssh import SshLimits, SshNode
from tasks.cluster import logins
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.report import Outcome, Report
from tests.servers.binaries import ROOT
from tests.servers.etcd import EtcdCluster, EtcdMember
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import Process, wait_until
from tests.servers.proxies import Request, S3Proxy, TcpProxy, TlsProxy
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site
from tests.servers.sshd import Sshd

NewSite = Callable[..., Site]

WIDE_KEYS, WIDE_VALUE = 1500, 20_000
"""Random, so 30 MB also in the store: six parts, and more than the buffers between etcd and S3 take in."""

MARKER = "here-a-bit-is-flipped-"

STORED = "/etcd/.*/snapshot.db.zst$"
"""The paths of snapshots in the store."""


@pytest.fixture(autouse=True)
def _quick(prefect: PrefectServer, quick_retries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as ever, without the waits between them; the smallest parts that S3 allows; short limits for etcd."""
    del prefect, quick_retries
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    monkeypatch.setattr(bucket, "PART_BYTES", 5 * 2**20)
    monkeypatch.setattr(etcd_client, "CALL_SECONDS", 3.0)
    monkeypatch.setattr(etcd_client, "HEALTH_SECONDS", 2.0)


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries instead of six for the stream, where each costs seconds."""
    monkeypatch.setattr(snapshots.take_snapshot, "retries", 1)


@pytest.fixture(scope="module")
def wide1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """A single member, whose snapshot takes many parts."""
    with EtcdCluster(tmp_path_factory.mktemp("wide1"), ("solo",)) as cluster:
        cluster.seed(WIDE_KEYS, WIDE_VALUE, ratio=1)
        yield cluster


@pytest.fixture(scope="module")
def wide3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """The same with three members; they accept pings as often as a test that waits for one sends them."""
    flags = ["--grpc-keepalive-min-time=100ms"]
    with EtcdCluster(tmp_path_factory.mktemp("wide3"), ("m1", "m2", "m3"), flags=flags) as cluster:
        cluster.seed(WIDE_KEYS, WIDE_VALUE, ratio=1)
        yield cluster


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[S3Proxy]:
    """In front of the shared store."""
    with S3Proxy(s3.endpoint) as proxy:
        yield proxy


@pytest.fixture
def tries(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """What Prefect logged of the tasks so far: a failed try and its sentence are in it."""
    loggers = [logging.getLogger("prefect.task_runs"), logging.getLogger("prefect.flow_runs")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    yield lambda: caplog.text
    for logger in loggers:
        logger.removeHandler(caplog.handler)


def through(site: Site, proxy: S3Proxy) -> Site:
    """The same site, with its store behind the proxy."""
    site.write(store={"endpoint": proxy.endpoint})
    return site


def assert_good(site: Site, report: Report) -> dict[str, Any]:
    """The run completed with one backup more, and nothing but backups is in the store; the backup's snapshot."""
    assert report.outcome is Outcome.COMPLETED
    assert site.reports()[-1]["outcome"] == "completed"
    manifests = site.manifests()
    assert set(site.data()) == {manifest["snapshot"]["key"] for manifest in manifests}
    assert site.uploads() == []
    assert manifests[-1]["id"] in report.summary[0]
    snapshot: dict[str, Any] = manifests[-1]["snapshot"]
    return snapshot


def assert_works_again(site: Site) -> None:
    """A run after the fault makes exactly one backup, and leaves nothing of the failed one."""
    assert_good(site, etcd_backup_to_s3(site.name))
    assert len(site.manifests()) == 1


def failure(kind: type[RunbookError], told: str, run: Callable[[], object]) -> RunbookError:
    """The error that a run ends with, of exactly that kind, with a sentence and a next step."""
    with pytest.raises(RunbookError, match=told) as caught:
        run()
    assert type(caught.value) is kind
    assert caught.value.hint
    return caught.value


def assert_fails(site: Site, kind: type[RunbookError], told: str, *, drill: bool = False) -> RunbookError:
    """A backup ends with that error, and its stored report says the same; no backup, no data, no upload is left."""
    error = failure(kind, told, lambda: etcd_backup_to_s3(site.name, drill=drill))
    assert_told(site, error)
    assert_nothing_is_left(site)
    return error


def assert_nothing_is_left(site: Site) -> None:
    """No backup, no data, no upload."""
    assert (site.manifests(), site.data(), site.uploads()) == ([], [], [])


def assert_told(site: Site, error: RunbookError) -> None:
    """The last report in the store has the error's sentence."""
    report = site.reports()[-1]
    assert report["outcome"] == ("refused" if isinstance(error, Refused) else "failed")
    assert report["problem"] == error.problem
    assert error.hint in report["next_step"]


def first_choice(etcd: EtcdCluster) -> EtcdMember:
    """Whose snapshot a run will take: the follower whose name comes first."""
    told = json.loads(etcd.etcdctl("endpoint", "status", "--write-out=json"))
    followers = {one["Endpoint"] for one in told if one["Status"]["leader"] != one["Status"]["header"]["member_id"]}
    return min((member for member in etcd.members if member.url in followers), key=lambda member: member.name)


def ping_each(milliseconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens each of gRPC's limits for a peer that went silent; no other is to be needed."""
    limits = {"grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"}
    options = etcd_client.CHANNEL_OPTIONS
    assert limits < {name for name, _ in options}
    quick = tuple((name, milliseconds if name in limits else value) for name, value in options)
    monkeypatch.setattr(etcd_client, "CHANNEL_OPTIONS", quick)


@contextmanager
def behind(site: Site, proxy: TcpProxy) -> Iterator[TcpProxy]:
    """The site's member whose port the proxy leads to is reached through it."""
    with proxy:
        for endpoint in site.profile["etcd"]["endpoints"]:
            if endpoint["url"].endswith(f":{proxy.target_port}"):
                endpoint["url"] = f"https://127.0.0.1:{proxy.port}"
        site.write()
        yield proxy


# etcd


def test_a_member_that_dies_in_mid_stream_is_replaced_by_the_next(
    new_site: NewSite, wide3: EtcdCluster, proxy: S3Proxy, tries: Callable[[], str]
) -> None:
    """SIGKILL when the first part is read: the upload is aborted, and another member's snapshot is the backup."""
    site, member = through(new_site(wide3), proxy), first_choice(wide3)
    proxy.on(method="POST", path=STORED, query="uploads", times=1).then(lambda _: member.kill())
    try:
        taken = assert_good(site, etcd_backup_to_s3(site.name))
    finally:
        member.start()
    assert taken["member"] != member.name
    assert f"{member.name}: etcd Snapshot: UNAVAILABLE" in tries()
    assert len(proxy.seen(method="DELETE", query="uploadId")) == 1


@pytest.mark.usefixtures("few_tries")
def test_a_single_member_that_stays_dead_is_a_sentence_and_nothing_in_the_store(
    new_site: NewSite, proxy: S3Proxy, tmp_path: Path
) -> None:
    """It ends when the tries are used up; when the member is back, a backup is made."""
    with EtcdCluster(tmp_path / "etcd", ("solo",)) as etcd:
        etcd.seed(WIDE_KEYS, WIDE_VALUE, ratio=1)
        site = through(new_site(etcd), proxy)
        proxy.on(method="POST", path=STORED, query="uploads", times=1).then(lambda _: etcd["solo"].kill())
        assert_fails(
            site, NotYet, r"no member of the plan can be used now: solo: etcd Status: UNAVAILABLE.*repair the members"
        )
        etcd["solo"].start()
        assert_works_again(site)


def test_a_frozen_member_is_noticed_by_pings_and_replaced(
    new_site: NewSite, wide3: EtcdCluster, proxy: S3Proxy, tries: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP in mid-stream: no error comes, and the run does not hang."""
    ping_each(1000, monkeypatch)
    site, member = through(new_site(wide3), proxy), first_choice(wide3)
    proxy.on(method="POST", path=STORED, query="uploads", times=1).then(lambda _: member.freeze())
    try:
        taken = assert_good(site, etcd_backup_to_s3(site.name))
    finally:
        member.thaw()
        member.wait_healthy()
    assert taken["member"] != member.name
    assert f"{member.name}: etcd Snapshot: UNAVAILABLE" in tries()


def test_a_connection_to_etcd_that_is_reset_in_mid_stream_is_made_again(
    new_site: NewSite, wide1: EtcdCluster, tries: Callable[[], str]
) -> None:
    """There is one member only, and it is the second try's too."""
    site = new_site(wide1)
    with behind(site, TcpProxy("127.0.0.1", wide1["solo"].port)) as etcd:
        etcd.cut_after(20_000_000)
        assert_good(site, etcd_backup_to_s3(site.name))
    assert "solo: etcd Snapshot: UNAVAILABLE" in tries()


# The store


def test_parts_that_fail_are_sent_again(new_site: NewSite, wide1: EtcdCluster, proxy: S3Proxy) -> None:
    """An error of the store, its wish to be asked more slowly, and a lost connection, twice each; etcd is asked once.

    Each is for one part: by the requests' order, one part could get them all, and more than a client tries.
    """
    site = through(new_site(wide1), proxy)
    rules = [proxy.on(method="PUT", path=STORED, query=f"partNumber={part}", times=2) for part in (1, 2, 3)]
    rules[0].answer(500, "InternalError")
    rules[1].answer(503, "SlowDown")
    rules[2].reset()
    assert_good(site, etcd_backup_to_s3(site.name))
    assert [rule.hits for rule in rules] == [2, 2, 2]
    assert len(proxy.seen(method="POST", path=STORED, query="uploads")) == 1


def test_a_store_that_is_slow_and_pauses_slows_the_stream_and_nothing_else(
    new_site: NewSite, wide3: EtcdCluster, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """etcd waits for the store, and a stream that nobody reads for longer than a ping may take is not a dead one."""
    ping_each(500, monkeypatch)
    site = through(new_site(wide3), proxy)
    proxy.on(method="POST", path=STORED, query="uploads").then(lambda _: sleep(2))
    slow = proxy.on(method="PUT", path=STORED, query="partNumber").slow(15_000_000)
    assert_good(site, etcd_backup_to_s3(site.name))
    assert slow.hits == len(proxy.seen(method="PUT", path=STORED))
    assert len(proxy.seen(method="POST", path=STORED, query="uploads")) == 1


@pytest.mark.usefixtures("few_tries")
def test_parts_that_always_fail_end_the_run_with_a_sentence(
    new_site: NewSite, wide1: EtcdCluster, proxy: S3Proxy
) -> None:
    """After the budget of tries; every upload was aborted, and a run afterwards works."""
    site = through(new_site(wide1), proxy)
    proxy.on(method="PUT", path=STORED, query="partNumber").answer(500, "InternalError")
    assert_fails(site, NotYet, f"bucket '{site.bucket}' at .*: upload: 500 InternalError -> check the store")
    proxy.clear()
    assert_works_again(site)


def retried(flow: Flow[Any, Report], state: State[Any], **parameters: str) -> Report:
    """Runs the same flow run once more, as `prefect flow-run retry` has a worker do it."""
    run_id = state.state_details.flow_run_id
    assert run_id
    assert (state.type.value, state.name) == ("FAILED", "Failed")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, AwaitingRetry(), force=True)
        flow_run = client.read_flow_run(run_id)
    report = run_flow(flow, flow_run=flow_run, parameters=parameters)
    assert isinstance(report, Report)
    return report


@pytest.mark.usefixtures("few_tries")
def test_uploads_that_could_not_be_aborted_are_swept_when_the_run_is_retried(
    new_site: NewSite, wide1: EtcdCluster, proxy: S3Proxy
) -> None:
    """The fault refuses the abort too; they are this run's own, so their age does not matter."""
    site = through(new_site(wide1), proxy)
    proxy.on(path=STORED, query="partNumber|uploadId").answer(500, "InternalError")
    left: list[str] = []

    def recover(_: Request) -> None:
        left.extend(site.uploads())
        proxy.clear()

    proxy.on(method="GET", query="^uploads", skip=1, times=1).then(recover)  # the sweep of the second attempt
    report = retried(etcd_backup_to_s3, etcd_backup_to_s3(site.name, return_state=True), cluster=site.name)
    assert len(left) == 2
    swept = next(step for step in report.done if step.step == "sweep leftovers")
    assert swept.evidence["uploads"] == left
    assert_good(site, report)
    assert [stored["outcome"] for stored in site.reports()] == ["failed", "completed"]


@pytest.mark.parametrize("wrong", ["access key", "secret key"])
def test_wrong_keys_are_refused_at_once(site: Site, proxy: S3Proxy, wrong: str) -> None:
    """With the store's own reason and the fields to correct; the check is not tried again."""
    through(site, proxy)
    field = "access_key" if wrong == "access key" else "secret_key"
    site.use_store_keys(site.s3.admin._replace(**{field: "AKWRONGWRONGWRONG"}))
    told = "InvalidAccessKeyId" if wrong == "access key" else "SignatureDoesNotMatch"
    error = failure(Refused, told, lambda: etcd_backup_to_s3(site.name))
    wanted = (
        "does not know store.access_key"
        if wrong == "access key"
        else "store.secret_key is not the one of store.access_key"
    )
    assert wanted in error.hint
    assert len(proxy.seen(method="HEAD")) == 3  # for the journal, the check, and the report
    assert site.keys() == []


def test_keys_that_may_only_read_are_refused_before_anything_is_read_from_etcd(site: Site, proxy: S3Proxy) -> None:
    """The sentence says what they have to be allowed."""
    through(site, proxy)
    site.use_store_keys(site.s3.reader)
    error = failure(Refused, "403 AccessDenied", lambda: etcd_backup_to_s3(site.name))
    assert "allow these keys to list, read, write and delete below store.prefix" in error.hint
    writes = [request.path for request in proxy.requests if request.method in {"PUT", "POST"}]
    assert not [path for path in writes if "/etcd/" in path]  # the trial has told it
    assert any("/trials/" in path for path in writes)
    assert site.keys() == site.uploads() == []


@pytest.mark.usefixtures("few_tries")
def test_a_full_store_is_a_sentence_and_no_backup(new_site: NewSite, wide1: EtcdCluster, tmp_path: Path) -> None:
    """Really full: its volumes take a part or two; SeaweedFS does not say so, other stores do."""
    with S3Server(tmp_path / "s3", volumes=6) as full:
        site = new_site(wide1, server=full)
        error = failure(NotYet, "upload: 500 InternalError", lambda: etcd_backup_to_s3(site.name))
        assert "check the store, its log and its free space" in error.hint
        assert_nothing_is_left(site)


def test_a_missing_bucket_is_refused_before_anything_is_read_from_etcd(site: Site) -> None:
    """Not even a connection is made to it."""
    [first, *_] = site.etcd.members
    with behind(site, TcpProxy("127.0.0.1", first.port)) as etcd:
        site.write(store={"bucket": "no-such-bucket"})
        error = failure(Refused, "'no-such-bucket' .*does not exist", lambda: etcd_backup_to_s3(site.name))
        assert etcd.connections == 0
    assert "create the bucket, or correct store.bucket" in error.hint


def test_a_lost_answer_to_the_end_of_an_upload_makes_no_second_backup(
    new_site: NewSite, wide1: EtcdCluster, proxy: S3Proxy
) -> None:
    """The store completed it, and the worker did not hear of it."""
    site = through(new_site(wide1), proxy)
    rule = proxy.on(method="POST", path=STORED, query="uploadId", times=1).lose_response()
    assert_good(site, etcd_backup_to_s3(site.name))
    assert rule.hits == 1
    assert len(site.manifests()) == 1


@pytest.mark.parametrize("times", [1, 4])
def test_a_lost_answer_to_the_manifest_makes_no_second_backup(site: Site, proxy: S3Proxy, times: int) -> None:
    """Nor does the next try take its own manifest for somebody else's; once for boto's own tries, once for Prefect's."""
    through(site, proxy)
    rule = proxy.on(method="PUT", path="/etcd/.*/manifest.json$", times=times).lose_response()
    assert_good(site, etcd_backup_to_s3(site.name))
    assert rule.hits == times
    assert len(site.manifests()) == 1


def test_nothing_is_removed_when_the_store_does_not_list(site: Site, proxy: S3Proxy) -> None:
    """The new backup is good, the run says that retention is not done, and the next one does it."""
    site.write(backup={"retention": {"last": 1}})
    etcd_backup_to_s3(site.name)
    through(site, proxy)
    proxy.on(method="PUT", path="/etcd/.*/manifest.json$").then(
        lambda _: proxy.on(method="GET", query="list-type").answer(500, "InternalError")
    )
    error = failure(NotYet, "ListObjectsV2: 500 InternalError", lambda: etcd_backup_to_s3(site.name))
    assert_told(site, error)
    assert site.reports()[-1]["doing"] == "apply retention"
    assert len(site.manifests()) == len(site.data()) == 2
    proxy.clear()
    etcd_backup_to_s3(site.name)
    assert len(site.manifests()) == len(site.data()) == 1


@pytest.mark.parametrize(("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")])
def test_a_bucket_in_another_region_is_refused_with_its_name(
    site: Site, proxy: S3Proxy, status: int, code: str
) -> None:
    """As AWS answers when the profile names the wrong one."""
    through(site, proxy)
    proxy.on(path=f"^/{site.bucket}").answer(status, code, {"x-amz-bucket-region": "eu-west-1"})
    error = failure(Refused, "is in region eu-west-1, the profile says us-east-1", lambda: etcd_backup_to_s3(site.name))
    assert error.hint == "set store.region to eu-west-1"
    assert site.keys() == []


# Bits


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """A single member with a value that is found again in its snapshot, between others."""
    with EtcdCluster(tmp_path_factory.mktemp("marked"), ("solo",)) as cluster:
        cluster.seed(500, prefix="/registry/before")
        cluster.put("/registry/marked", MARKER * 20)
        cluster.seed(500, prefix="/registry/behind")
        yield cluster


def test_a_bit_that_flips_on_the_way_from_etcd_is_found(
    new_site: NewSite, marked: EtcdCluster, tries: Callable[[], str]
) -> None:
    """By the snapshot's own sha256 trailer, before there is an object; the second try is good."""
    site = new_site(marked)
    tls = TlsProxy("127.0.0.1", marked["solo"].port, server=marked.server, client=marked.client, ca=marked.ca)
    with behind(site, tls):
        tls.flip(MARKER.encode())
        report = etcd_backup_to_s3(site.name)
        assert tls.flipped
    assert_good(site, report)
    assert "the snapshot is corrupt: etcd sent sha256" in tries()


def test_a_bit_that_the_store_flips_is_found_when_it_is_read_back(site: Site, proxy: S3Proxy) -> None:
    """Both digests are in the sentence, and no manifest is written."""
    through(site, proxy)
    proxy.on(method="GET", path=STORED).flip_bit_in_response(100_000)
    error = failure(
        Refused, "is corrupt: stored were .*sha256 .*, read back were .*sha256", lambda: etcd_backup_to_s3(site.name)
    )
    assert "this is not a backup" in error.hint
    assert_told(site, error)
    assert (site.manifests(), site.uploads()) == ([], [])
    assert len(proxy.seen(method="GET", path=STORED)) == 1


def test_a_bit_that_changed_in_the_bucket_is_found_by_a_drill(site: Site) -> None:
    """Years later, say; what remains of the scratch folder is nothing."""
    etcd_backup_to_s3(site.name)
    [key] = site.data()
    body = bytearray(site.read(key))
    body[len(body) // 2] ^= 1
    site.s3.client().put_object(Bucket=site.bucket, Key=key, Body=bytes(body))
    error = failure(
        Refused, "is corrupt: stored were .*sha256 .*, read back were .*sha256", lambda: etcd_restore_drill(site.name)
    )
    assert_told(site, error)
    assert list(site.scratch.iterdir()) == []


# SSH


@pytest.fixture
def tunnelled(
    new_site: NewSite, wide1: EtcdCluster, proxy: S3Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Site, Sshd]]:
    """A site that is reached through SSH only, with limits of some seconds."""
    second = timedelta(seconds=1)
    limits = SshLimits(
        connect=3 * second, login=9 * second, channel=3 * second, keepalive_interval=second, keepalive_limit=3 * second
    )
    monkeypatch.setattr(logins, "SshNode", partial(SshNode, limits=limits))
    site = through(new_site(wide1), proxy)
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
        site.write(backup={"route": "tunnel"})
        yield site, sshd


@pytest.mark.usefixtures("few_tries")
def test_a_frozen_ssh_connection_ends_within_its_limits(
    tunnelled: tuple[Site, Sshd], proxy: S3Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of the stream, by SSH's own; the run ends with a sentence, and works again when the node does."""
    site, sshd = tunnelled
    proxy.on(method="POST", path=STORED, query="uploads", times=1).then(lambda _: sshd.freeze())
    try:
        assert_fails(site, NotYet, "no member of the plan can be used now: cp1: ")
    finally:
        sshd.thaw()
    assert "no answer for 3 s" in caplog.text
    assert_works_again(site)


def test_a_cut_ssh_connection_is_made_again(
    tunnelled: tuple[Site, Sshd], proxy: S3Proxy, tries: Callable[[], str]
) -> None:
    """The sessions' sshd dies in the middle of the stream, or right after it has been read to its end; who asks next logs in anew."""
    site, sshd = tunnelled
    proxy.on(method="POST", path=STORED, query="uploads", times=1).then(lambda _: sshd.cut())
    assert assert_good(site, etcd_backup_to_s3(site.name))["route"] == "tunnel"
    assert re.search("etcd (Snapshot|MemberList): UNAVAILABLE", tries())
    assert sshd.log.count("Accepted publickey") == 2


# Two at once


def test_two_backups_of_a_cluster_at_once_are_two_good_backups(site: Site, proxy: S3Proxy) -> None:
    """Neither takes the other's unfinished data for a leftover; both restore."""
    through(site, proxy)
    gate = threading.Barrier(2, timeout=120)
    proxy.on(method="GET", query="^uploads", times=2).then(lambda _: gate.wait())  # both begin in the same moment
    proxy.on(method="PUT", path=STORED, times=2).then(lambda _: gate.wait())  # and are in the middle in the same moment
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(copy_context().run, etcd_backup_to_s3, site.name) for _ in range(2)]
        reports = [run.result() for run in runs]
    assert [report.outcome for report in reports] == [Outcome.COMPLETED] * 2
    first, second = site.manifests()
    assert first["id"] != second["id"]
    assert set(site.data()) == {first["snapshot"]["key"], second["snapshot"]["key"]}
    for manifest in (first, second):
        assert etcd_restore_drill(site.name, manifest["id"]).outcome is Outcome.COMPLETED


# The worker's disk


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size, which takes the right to mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        give_up(f"a disk that is soon full has to be mounted, as root: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def give_up(reason: str) -> None:
    """Skip, but not in CI: there a skip is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_a_disk_too_small_for_the_drill_is_refused_before_anything_is_streamed(
    site: Site, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is free and what is needed."""
    through(site, proxy)
    with small_disk(site.folder / "disk", 8) as disk:
        monkeypatch.setenv("KUBE_RUNBOOKS_SCRATCH", str(disk))
        told = f"{disk} has [0-9]+ bytes free, a restore drill of [0-9]+ bytes needs [0-9]+"
        error = assert_fails(site, Refused, told, drill=True)
    assert "point KUBE_RUNBOOKS_SCRATCH of the worker to a larger folder" in error.hint
    assert [request for request in proxy.requests if "/etcd/" in request.path] == []


@pytest.mark.parametrize("left", [4, 24], ids=["for the download", "for the restore"])
def test_a_disk_that_fills_up_during_the_drill_is_refused_by_its_name(
    site: Site, proxy: S3Proxy, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the snapshot is written or restored: what could not be drilled is called no backup, and nothing stays."""
    through(site, proxy)
    with small_disk(site.folder / "disk", 80) as disk:
        monkeypatch.setenv("KUBE_RUNBOOKS_SCRATCH", str(disk))

        def fill(_: Request) -> None:
            (disk / "filler").write_bytes(b"x" * (80 - left) * 2**20)

        proxy.on(method="GET", path=STORED, skip=1).then(fill)  # the first is to read it back
        error = failure(Refused, "(?i)no space left on device", lambda: etcd_backup_to_s3(site.name, drill=True))
        assert "KUBE_RUNBOOKS_SCRATCH" in error.hint
        assert str(disk) in str(error)
        assert_told(site, error)
        assert [path.name for path in disk.iterdir()] == ["filler"]
    assert (site.manifests(), site.uploads()) == ([], [])


# Leftovers


def test_old_leftovers_of_ours_are_swept_and_nothing_else(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unfinished uploads and data without a manifest; young ones may be another run's, and others' are not ours."""
    client = site.s3.client()
    folder = f"{site.name}/etcd"
    mine = f"{folder}/20200101T000000Z-5-0a1b2c3d"
    strangers = [f"{folder}/notes/snapshot.db.zst", f"{mine}/notes.txt", f"{folder}/readme", f"{site.name}-2/x"]
    data = [f"{mine}/pki.tar.age", f"{mine}/snapshot.db.zst"]
    for key in (*data, *strangers):
        client.put_object(Bucket=site.bucket, Key=key, Body=b"left")
    for key in (f"{mine}/snapshot.db.zst", f"{folder}/notes/upload"):
        client.create_multipart_upload(Bucket=site.bucket, Key=key)

    report = etcd_backup_to_s3(site.name)
    assert _swept(report) == {"uploads": [], "objects": [], "left": []}  # the store says that they are young

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=25)

    monkeypatch.setattr(backups, "datetime", Tomorrow)
    report = etcd_backup_to_s3(site.name)
    assert _swept(report) == {"uploads": [f"{mine}/snapshot.db.zst"], "objects": data, "left": []}
    assert set(strangers) < set(site.keys())
    assert site.uploads() == [f"{folder}/notes/upload"]
    assert len(site.manifests()) == 2


def _swept(report: Report) -> dict[str, Any]:
    return next(step.evidence for step in report.done if step.step == "sweep leftovers")


# Members that are not fit


def test_without_a_quorum_a_backup_is_made_when_it_is_asked_for(
    new_site: NewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused else, with the reasons of each member; the survivor's snapshot is drilled like any other."""
    monkeypatch.setattr(etcd_client, "HEALTH_SECONDS", 0.5)
    with EtcdCluster(tmp_path / "etcd", ("m1", "m2", "m3")) as etcd:
        etcd.seed(500)
        site = new_site(etcd)
        etcd["m1"].kill()
        etcd["m2"].kill()
        wait_until(lambda: not etcd["m3"].healthy, 150, "the survivor has noticed")
        error = assert_fails(site, Refused, "m3: it has no leader: the cluster has lost quorum")
        for dead in ("m1", "m2"):
            assert f"{dead}: direct did not work: " in error.problem
        assert "a snapshot needs no quorum: --allow-no-quorum takes a surviving member's" in error.hint
        taken = assert_good(site, etcd_backup_to_s3(site.name, allow_no_quorum=True, drill=True))
        assert taken["member"] == "m3"


def test_a_learner_and_a_member_with_an_alarm_are_passed_over(new_site: NewSite, tmp_path: Path) -> None:
    """With the reasons in the plan; the alarm is m1's own, although every member tells it."""
    with EtcdCluster(tmp_path / "etcd", ("m1", "m2"), flags=["--strict-reconfig-check=false"]) as etcd:
        etcd.add_member("m3", learner=True)
        etcd["m1"].stop()
        etcd["m1"].running.command.append("--quota-backend-bytes=16777216")
        etcd["m1"].start()
        with pytest.raises(RpcError, match="database space exceeded"):
            etcd.seed(5000, 10_000, ratio=1)  # through m1; its size is known once in 100 ms only
        site = new_site(etcd)
        report = etcd_backup_to_s3(site.name)
        assert assert_good(site, report)["member"] == "m2"
    assert report.plan
    skipped = {skip.subject: skip.reason for skip in report.plan.skips}
    assert skipped["m1"] == "it has the alarm NOSPACE"
    assert skipped["m3"].startswith("it is a learner: its data may be behind, and nothing shows it")
    assert [caution.subject for caution in report.plan.cautions if caution.problem == "alarm NOSPACE"] == ["m1"]


# The worker


def test_a_worker_that_is_killed_during_a_drill_leaves_no_etcd_and_no_secrets(
    site: Site, prefect_server: PrefectServer
) -> None:
    """SIGKILL: the scratch etcd and its folder, with the cluster's secrets in it, are gone; it had not begun to serve."""
    program = f"from flows.etcd_backup_to_s3 import etcd_backup_to_s3; etcd_backup_to_s3({site.name!r}, drill=True)"
    programs = site.folder / "bin"
    programs.mkdir()
    for name in ("etcdctl", "etcdutl"):
        (programs / name).symlink_to(site.etcd.binaries / name)
    (programs / "etcd").write_text(f'#!/bin/sh\nkill -STOP $$\nexec {site.etcd.binaries}/etcd "$@"\n')
    (programs / "etcd").chmod(0o755)
    environment = prefect_server.env | site.environment | {"KUBE_RUNBOOKS_BIN": str(programs)}
    with Process(
        [sys.executable, "-c", program], folder=site.folder, name="worker", env=environment, cwd=ROOT
    ) as worker:
        worker.wait_until(lambda: list(site.scratch.glob("*/etcd.log")), 150, "the scratch etcd starts")
        worker.kill(alone=True)
        wait_until(lambda: not list(site.scratch.iterdir()), 30, "the scratch folder is gone")
    wait_until(lambda: not _in_folder(site.scratch), 30, "the scratch etcd is gone")
    assert site.manifests() == []


def _in_folder(folder: Path) -> list[str]:
    """Processes that work in a folder below."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = (process / "cwd").readlink()
        except OSError:
            continue
        if place.is_relative_to(folder):
            found.append(process.name)
    return found
