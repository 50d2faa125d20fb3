"""The store's client against two real S3 servers, and against stores that are stricter than either."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.backup.scripts import node_snapshot
from tasks.clients.objectstore import AlreadyThere, ObjectStore, StoreKeys, try_out
from tasks.core.errors import NotTrusted, NotYet, Refused, RunbookError
from tasks.core.models.profile import Store
from tests.servers import strict_stores
from tests.servers.pki import Authority
from tests.servers.proxies import S3Proxy
from tests.servers.seaweedfs import DOMAIN, S3Server
from tests.servers.versitygw import Versitygw

LOCK = {"mode": "GOVERNANCE", "days": 1}
MEGABYTE = 2**20

Server = S3Server | Versitygw
NewStore = Callable[..., ObjectStore]


@pytest.fixture(scope="module")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versitygw]:
    """The second store."""
    with Versitygw(tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.fixture(params=["s3", "versitygw"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of them."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def bucket(server: Server, request: pytest.FixtureRequest) -> str:
    """One of its own, that can lock."""
    return server.create_bucket(f"bucket-{abs(hash(request.node.nodeid)) % 10**9}", object_lock=True)


@pytest.fixture
def new_store(server: Server, bucket: str) -> NewStore:
    """Makes a client for the bucket, by fields of the profile."""

    def make(**fields: Any) -> ObjectStore:  # noqa: ANN401 - as the profile has them
        store = Store.model_validate({"bucket": bucket, "endpoint": server.endpoint, "prefix": "p", **fields})
        return ObjectStore(store, StoreKeys(*server.admin))

    return make


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 waits for nothing between its tries."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)


@pytest.mark.parametrize("fields", [{}, {"checksums": "when_required"}, {"addressing": "path"}, {"object_lock": LOCK}])
def test_both_stores_take_what_a_backup_writes(new_store: NewStore, fields: dict[str, Any]) -> None:
    """A stream in parts, small objects, parts by address; nothing of the trial stays."""
    store = new_store(**fields)
    store.check()
    try_out(store, "prod/trials")
    assert store.objects(store.key("prod/trials")) == []
    assert store.unfinished_uploads(store.key("")) == []
    key, data = store.key("etcd/snapshot"), os.urandom(MEGABYTE)
    store.upload(key, iter([data] * 20))
    assert b"".join(store.read(key)) == data * 20
    assert store.size(key) == 20 * MEGABYTE
    assert [(found.key, found.size) for found in store.objects(store.key("etcd"))] == [(key, 20 * MEGABYTE)]
    store.put_new(store.key("manifest"), b"{}", "application/json")
    with pytest.raises(AlreadyThere):
        store.put_new(store.key("manifest"), b"{}", "application/json")
    assert (store.locked_until(key) is not None) == ("object_lock" in fields)
    left = store.start_upload(store.key("left"))
    assert [found.key for found in store.unfinished_uploads(store.key(""))] == [left.key]
    store.abort(left)
    assert store.unfinished_uploads(store.key("")) == []


def test_a_lock_is_extended_and_never_shortened(new_store: NewStore) -> None:
    """Of what was written with one, and of what was written without; a profile without a lock changes nothing."""
    store, plain = new_store(object_lock=LOCK), new_store()
    locked, free = store.key("locked"), store.key("free")
    store.put_new(locked, b"x", "text/plain")
    plain.put_new(free, b"x", "text/plain")
    first = store.locked_until(locked)
    assert first
    later = (first + timedelta(days=2)).replace(microsecond=0)
    plain.keep_until(free, later)
    assert plain.locked_until(free) is None
    for key in (locked, free):
        store.keep_until(key, later)
        assert store.locked_until(key) == later
        store.keep_until(key, first)
        assert store.locked_until(key) == later
    with pytest.raises(Refused):
        store.keep_until(store.key("missing"), later)


@pytest.mark.parametrize("fields", [{}, {"object_lock": LOCK}])
def test_a_node_sends_its_parts_to_a_store_that_wants_sums(
    new_store: NewStore, server: Server, fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's own script, in its own shell: three parts of another length each."""
    monkeypatch.setattr(node_snapshot, "PART_BYTES", 6 * MEGABYTE)
    monkeypatch.setattr(node_snapshot, "BACKUPS", tmp_path / "work")
    data = os.urandom(13 * MEGABYTE)
    (tmp_path / "file").write_bytes(data)
    with S3Proxy(server.endpoint) as proxy:
        strict_stores.wants_sums(proxy)
        store = new_store(endpoint=proxy.endpoint, **fields)
        upload = store.start_upload(store.key("sent"))
        urls = store.part_urls(upload, 3, timedelta(minutes=5))
        script = node_snapshot.send_file("it", str(tmp_path / "file"))
        done = subprocess.run(
            ["/bin/sh", "-c", script], input=node_snapshot.input_of(urls, b""), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        store.complete(upload, node_snapshot.parse_etags(done.stdout.decode()))
        assert b"".join(store.read(upload.key)) == data
        assert len(proxy.seen(method="PUT", query="uploadId")) == 3


@pytest.mark.usefixtures("quick")
def test_a_store_that_knows_no_new_checksums_is_told_and_then_served(
    new_store: NewStore, server: Server, tmp_path: Path
) -> None:
    """What only reads passes; the trial finds it, with the field to set. Over TLS, where boto3 sends trailers."""
    authority = Authority(tmp_path / "pki")
    pair = authority.server("store")
    with S3Proxy(server.endpoint, tls=pair) as proxy:
        strict_stores.knows_no_checksums(proxy)
        fields = {"endpoint": proxy.endpoint, "ca": str(authority.ca)}
        store = new_store(**fields)
        store.check()
        with pytest.raises(Refused, match="NotImplemented.*set store.checksums to when_required"):
            try_out(store, "prod/trials")
        for more in ({}, {"object_lock": LOCK}):
            plain = new_store(checksums="when_required", **fields, **more)
            try_out(plain, "prod/trials")
            plain.upload(plain.key(f"x-{len(more)}"), iter([bytes(MEGABYTE)] * 9))
        with pytest.raises(NotTrusted, match="its certificate: .*set store.ca"):
            new_store(endpoint=proxy.endpoint).check()


def test_under_object_lock_every_object_and_part_has_a_sum(new_store: NewStore, server: Server) -> None:
    """Whichever sums the profile wants; without the field of the profile the hint names it."""
    with S3Proxy(server.endpoint) as proxy:
        strict_stores.wants_sums(proxy)
        for sums in ("when_supported", "when_required"):
            store = new_store(endpoint=proxy.endpoint, object_lock=LOCK, checksums=sums)
            try_out(store, "prod/trials")
            store.upload(store.key("parts"), iter([bytes(MEGABYTE)] * 9))
        with pytest.raises(Refused, match="InvalidRequest.*set store.object_lock"):
            try_out(new_store(endpoint=proxy.endpoint, checksums="when_required"), "prod/trials")


def test_a_store_that_wants_the_bucket_in_the_host_is_told_and_then_served(
    new_store: NewStore, server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `store.addressing`."""
    resolve = socket.getaddrinfo

    def local(host: str, *more: Any, **words: Any) -> Any:  # noqa: ANN401 - as the original has them
        return resolve("127.0.0.1" if str(host).endswith(DOMAIN) else host, *more, **words)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    with S3Proxy(server.endpoint) as proxy:
        strict_stores.wants_virtual_hosts(proxy, bucket)
        endpoint = f"http://{DOMAIN}:{proxy.port}"
        with pytest.raises(Refused, match="SecondLevelDomainForbidden.*set store.addressing to virtual"):
            new_store(endpoint=endpoint).check()
        store = new_store(endpoint=endpoint, addressing="virtual")
        store.check()
        try_out(store, "prod/trials")
        assert f"//{bucket}.{DOMAIN}:" in store.url("x", timedelta(minutes=1))


@pytest.mark.usefixtures("quick")
def test_clocks_that_differ_are_both_shown(new_store: NewStore, server: Server) -> None:
    """And nothing is tried again: free space has nothing to do with it."""
    with S3Proxy(server.endpoint) as proxy:
        strict_stores.has_another_clock(proxy, timedelta(minutes=20))
        with pytest.raises(
            Refused, match=r"RequestTimeTooSkewed.*; the store's clock: \d{4}-.*Z; the worker's: \d{8}T\d+Z"
        ) as caught:
            new_store(endpoint=proxy.endpoint).check()
        assert caught.value.hint == "correct the clock of the worker, or that of the store"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("status", "code", "details", "kind", "hint"),
    [
        (404, "NoSuchBucket", {}, Refused, "store.addressing"),
        (403, "SignatureDoesNotMatch", {}, Refused, "set store.checksums to when_required"),
        (403, "InvalidAccessKeyId", {}, Refused, "does not know store.access_key"),
        (400, "ExpiredToken", {}, Refused, "has expired"),
        (403, "AccessDenied", {}, Refused, "allow these keys"),
        (507, "XMinioStorageFull", {}, Refused, "the store is full"),
        (503, "SlowDown", {}, NotYet, "asked less often"),
        (500, "InternalError", {}, NotYet, "its free space"),
        (400, "AuthorizationHeaderMalformed", {"Region": "eu-west-1"}, Refused, "set store.region to eu-west-1"),
        (400, "AuthorizationHeaderMalformed", {}, Refused, "correct store.region"),
        (
            400,
            "PermanentRedirect",
            {"Endpoint": "b.s3.eu-west-1.amazonaws.com"},
            Refused,
            "the bucket is at b.s3.eu-west-1",
        ),
        (400, "TeapotError", {}, Refused, "the store refuses this request"),
    ],
)
def test_each_error_of_a_write_has_its_next_step(  # noqa: PLR0913, PLR0917 - a row of the table
    new_store: NewStore,
    server: Server,
    status: int,
    code: str,
    details: dict[str, str],
    kind: type[RunbookError],
    hint: str,
) -> None:
    """By the store's own code."""
    with S3Proxy(server.endpoint) as proxy:
        proxy.on(method="PUT").answer(status, code, details=details)
        with pytest.raises(kind) as caught:
            try_out(new_store(endpoint=proxy.endpoint), "prod/trials")
        assert code in caught.value.problem or "Region" in details
        assert hint in caught.value.hint
