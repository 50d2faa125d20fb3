"""The scripts by which a node sends its own snapshot to the store: run by a shell here, on a real etcd and a real store."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from tasks.backup.models.backups import Digest
from tasks.backup.scripts.node_snapshot import (
    PART_BYTES,
    input_of,
    parse_etags,
    parse_read_back,
    parse_snapshot,
    prepare_node,
    read_back,
    send_file,
    take_snapshot,
    what_is_missing,
)
from tasks.cluster import open_cluster
from tasks.core.models.folders import BACKUPS
from tasks.core.models.profile import EtcdEndpoint, EtcdOnNode, Route
from tests.facts.control_plane import ON_NODE
from tests.servers.etcd import EtcdCluster
from tests.servers.site import Site

LIMIT = timedelta(minutes=5)
TRY_AGAIN = 75
PAGE = 512


def ran(root: Path, script: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """By this machine's shell, with another folder for what waits for its upload."""
    command = ["/bin/sh", "-c", script.replace(BACKUPS, str(root / "backups"))]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    return subprocess.run(command, input=stdin, capture_output=True, check=False, env=environment)


def on(etcd: EtcdCluster) -> EtcdOnNode:
    """Where its member listens."""
    member, client = etcd.members[0], etcd.client
    files = {"ca": str(etcd.ca), "certificate": str(client.certificate), "key": str(client.key)}
    return EtcdOnNode.model_validate({"address": "127.0.0.1", "port": member.port, "server_name": "localhost", **files})


def test_a_node_sends_its_snapshot_and_reads_it_back(
    new_site: Callable[[EtcdCluster], Site], etcd1: EtcdCluster, tmp_path: Path
) -> None:
    """What is stored is what it said, and nothing of it stays on its disk."""
    site = new_site(etcd1)
    store = open_cluster(site.name).store
    assert what_is_missing("cp1", ran(tmp_path, prepare_node()).stdout, 1) == []
    upload = store.start_upload("it")
    handle = open_cluster(site.name)
    with handle.etcd(EtcdEndpoint(url=etcd1.members[0].url), Route.DIRECT) as client:
        revision = client.revision()
    script = take_snapshot("x", str(etcd1.binaries), on(etcd1), revision)
    done = ran(tmp_path, script, input_of(store.part_urls(upload, 2, LIMIT), b""))
    assert done.returncode == 0, done
    found = parse_snapshot("cp1", done.stdout.decode())
    store.complete(upload, found.etags)
    stored = site.read("it")
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
    for told, bytes_ in ((found.stored, stored), (found.plain, plain)):
        assert told == Digest(size=len(bytes_), sha256=hashlib.sha256(bytes_).hexdigest())
    assert (found.key_count, found.newest_revision >= revision) == (3000, True)
    again = ran(tmp_path, read_back("y"), input_of([store.url("it", LIMIT)], b""))
    assert parse_read_back("cp1", again.stdout.decode()) == (found.stored, found.plain)
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_file_of_two_parts_arrives_whole(
    new_site: Callable[[EtcdCluster], Site], etcd1: EtcdCluster, tmp_path: Path
) -> None:
    """The last part is what is left; without an address for it the job fails, and says how much that is."""
    site = new_site(etcd1)
    store = open_cluster(site.name).store
    content = os.urandom(PART_BYTES) + b"the rest"
    (tmp_path / "a file").write_bytes(content)
    upload = store.start_upload("it")
    urls = store.part_urls(upload, 2, LIMIT)
    script = send_file("x", str(tmp_path / "a file"))
    short = ran(tmp_path, script, input_of(urls[:1], b""))
    assert short.returncode == 1
    assert short.stdout.endswith(b"/a file has 8 bytes more than there are URLs for\n")
    done = ran(tmp_path, script, input_of(urls, b""))
    store.complete(upload, parse_etags(done.stdout.decode()))
    assert site.read("it") == content


def test_a_store_is_known_by_the_ca_of_the_first_line(etcd1: EtcdCluster, tmp_path: Path) -> None:
    """A server that another one has signed gets nothing; the job ends with the status for another try."""
    url = f"{etcd1.members[0].url}/version"  # a server with a certificate, which then wants one of us
    unknown = ran(tmp_path, read_back("x"), input_of([url], b""))
    known = ran(tmp_path, read_back("x"), input_of([url], etcd1.ca.read_bytes()))
    assert unknown.returncode == known.returncode == TRY_AGAIN
    assert b"SSL certificate problem" in unknown.stderr
    assert b"SSL certificate problem" not in known.stderr


@pytest.mark.parametrize("size", [PAGE, PAGE + 32])
def test_what_is_no_snapshot_is_not_sent(tmp_path: Path, size: int) -> None:
    """By its length, or by its trailer: an etcdctl that writes zeros."""
    etcdctl = tmp_path / "etcdctl"
    etcdctl.write_text(f'#!/bin/sh\n[ "${{10}} ${{11}}" != "snapshot save" ] || head -c {size} /dev/zero > "${{12}}"\n')
    etcdctl.chmod(0o755)
    ran(tmp_path, prepare_node())
    done = ran(tmp_path, take_snapshot("x", str(tmp_path), ON_NODE, 7), input_of(["http://127.0.0.1:1/"], b""))
    assert done.returncode == 1
    assert (b"no whole pages and a trailer" if size == PAGE else b"its trailer says 0000") in done.stdout
