"""One measured process: `python -m tests.benchmarks.driver WAY CLUSTER [...]`; prints its figures as a line of JSON.

No Prefect server runs here: the tasks' own functions are called, and what they would show in its UI is left out.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

import flows.etcd_backup_to_s3  # noqa: F401 - a flow's process has it all imported
from tasks.backup import snapshots
from tasks.backup.policy.sources import choose_source
from tasks.cluster import open_cluster
from tasks.core.models.profile import ClusterProfile, Route
from tasks.etcd import observe as etcd
from tasks.run.reports import Progress

Figures = dict[str, float]


def idle(cluster: str) -> Figures:
    """A flow's process that streams nothing: everything imported, the store's client open, the members observed."""
    handle = open_cluster(cluster)
    handle.store.check()
    etcd.observe_etcd.fn(cluster, "direct")
    return {}


def ours(cluster: str, route: str, verified: str) -> Figures:
    """The product's own code: gate, pinned revision, live hash, sha256, zstd, upload; then, if asked, the read-back."""
    handle = open_cluster(cluster)
    handle.store.check()
    plan = choose_source(etcd.observe_etcd.fn(cluster, Route(route).value))
    started = time.monotonic()
    snapshot = snapshots.take_snapshot.fn(cluster, plan, f"{os.getpid():08x}")
    if verified == "verified":
        snapshots.read_back.fn(cluster, snapshot)
    took = time.monotonic() - started
    handle.store.delete(snapshot.key)
    return {"seconds": took, "bytes": snapshot.plain.size, "stored": snapshot.stored.size, "disk": 0}


def today(cluster: str, folder: str, etcdctl: str) -> Figures:
    """What people do today: `etcdctl snapshot save`, `zstd -1`, boto3's `upload_file`; nothing is verified."""
    profile = open_cluster(cluster).profile
    file = Path(folder) / "snapshot.db"
    started = time.monotonic()
    subprocess.run([etcdctl, *_etcdctl_flags(profile), "snapshot", "save", file], check=True, capture_output=True)
    plain = file.stat().st_size
    subprocess.run(["zstd", "-q", "-1", file], check=True)
    packed = file.with_suffix(".db.zst")
    client = boto3.client(
        "s3",
        endpoint_url=profile.store.endpoint,
        region_name=profile.store.region,
        aws_access_key_id=_text_of(profile.store.access_key),
        aws_secret_access_key=_text_of(profile.store.secret_key),
        verify=profile.store.ca,
    )
    client.upload_file(str(packed), profile.store.bucket, "today")
    took = time.monotonic() - started
    stored = packed.stat().st_size
    for path in (file, packed):
        path.unlink()
    return {"seconds": took, "bytes": plain, "stored": stored, "disk": plain + stored}


def _text_of(reference: str | None) -> str:
    return Path(str(reference).removeprefix("file:")).read_text()


def _etcdctl_flags(profile: ClusterProfile) -> list[str]:
    assert profile.etcd.client
    client = profile.etcd.client
    pairs = {"cacert": client.ca, "cert": client.certificate, "key": client.key}
    return [
        f"--endpoints={profile.etcd.endpoints[0].url}",
        *(f"--{flag}={file.removeprefix('file:')}" for flag, file in pairs.items()),
    ]


@contextmanager
def _no_bar(key: str, description: str, total: int) -> Iterator[Progress]:
    del key, description
    yield Progress(total)


WAYS: dict[str, Callable[..., Figures]] = {"idle": idle, "ours": ours, "today": today}


def main(way: str, *arguments: str) -> None:
    """Runs one way, and adds what the operating system counted for this process and its children."""
    vars(snapshots)["progress"] = _no_bar
    vars(etcd)["show_members"] = lambda *_: None
    figures: Figures = WAYS[way](*arguments)
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    figures["cpu"] = own.ru_utime + own.ru_stime
    figures["cpu_children"] = children.ru_utime + children.ru_stime
    figures["rss"] = max(own.ru_maxrss, children.ru_maxrss) * 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
