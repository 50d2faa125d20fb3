"""`resources_backup_to_s3` on a real API server and a real store: one instant, forty kinds, what changed, and what breaks."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyrage import x25519

from flows.resources_backup_to_s3 import resources_backup_to_s3
from kube_runbooks.app import app
from tasks.cluster import close_clusters, open_cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.report import Outcome, Report
from tasks.core.models.retention import Retention
from tasks.resources import observe, packs, steps
from tasks.resources.models import Entry, Kind, Manifest
from tasks.resources.policy.contents import to_clean
from tasks.resources.store import is_without_values, read_manifest, read_objects, resources_of
from tests.facts.resources import WIDGETS, definition, examples
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.proxies import S3Proxy
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

PASSWORD = "correct-horse-battery-staple"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all, with an object of each kind of the table."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        for path, body in examples():
            cluster.api.create(path, body)
            if path.endswith("customresourcedefinitions"):
                wait_until(lambda: cluster.api.is_fine(WIDGETS), 60.0, "the API serves widgets")
        yield cluster


class Backups:
    """The runbook, its bucket, and a namespace of the test."""

    def __init__(self, cluster: ControlPlane, site: Site, name: str) -> None:
        self.cluster, self.api, self.site, self.namespace = cluster, cluster.api, site, name
        self.key = x25519.Identity.generate()
        self.identity = site.folder / "identity"
        site.use_api(cluster.kubeconfig())
        site.write(backup={"recipients": [str(self.key.to_public())]})
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})

    def run(self, **asked: Any) -> Report:  # noqa: ANN401 - parameters
        """The runbook."""
        close_clusters()
        report: Report = resources_backup_to_s3(self.site.name, **asked)
        return report

    def read(self, backup: str = "latest") -> Manifest:
        """A backup with its entries."""
        close_clusters()
        return read_manifest(open_cluster(self.site.name).store, self.site.name, backup)

    def objects(self, manifest: Manifest, **asked: str) -> dict[str, dict[str, Any]]:
        """Its objects, by label."""
        handle = open_cluster(self.site.name)
        return {one.label: found for one, found in read_objects(handle, manifest, manifest.find(**asked))}

    def put(self, kind: str, name: str, **fields: Any) -> None:  # noqa: ANN401 - fields of any object
        """An object of the core group in the namespace."""
        self.api.create(f"/api/v1/namespaces/{self.namespace}/{kind}", {"metadata": {"name": name}, **fields})

    def patch(self, kind: str, name: str, **fields: Any) -> None:  # noqa: ANN401 - fields of any object
        """A change of it."""
        self.api.patch(f"/api/v1/namespaces/{self.namespace}/{kind}/{name}", fields)

    def can_decrypt(self) -> None:
        """From now on the profile has the secret half of the recipient."""
        self.identity.touch(mode=0o600)
        self.identity.write_text(str(self.key))
        self.site.write(backup={"identity": f"file:{self.identity}"})

    def keys(self, ending: str) -> list[str]:
        """Object keys of backups of resources."""
        return [one for one in self.site.keys(f"{self.site.name}/resources/") if one.endswith(ending)]

    def age_told(self) -> float | None:
        """When the newest complete backup was taken, as Prometheus is told."""
        text = self.site.read(f"{self.site.name}/metrics/resources-backup.prom").decode()
        found = [line for line in text.splitlines() if line.startswith("kube_runbooks_backup_taken_seconds{")]
        return float(found[0].rpartition(" ")[2]) if found else None

    def kinds(self) -> tuple[Kind, ...]:
        """That the API serves."""
        return observe.read_kinds(open_cluster(self.site.name).kube)[0]


@pytest.fixture
def backups(cluster: ControlPlane, new_site: Callable[..., Site], request: pytest.FixtureRequest) -> Iterator[Backups]:
    """For one test; its namespace is empty afterwards."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    made = Backups(cluster, new_site(cluster.etcd), name)
    yield made
    close_clusters()
    cluster.api.delete(f"/api/v1/namespaces/{name}")
    gone = f"the namespace {name} is gone: the next test compares whole clusters"
    wait_until(lambda: not cluster.api.is_fine(f"/api/v1/namespaces/{name}"), 120.0, gone)


def test_every_kind_of_the_table_is_read_back_as_the_api_has_it(backups: Backups) -> None:
    """More than forty kinds; equal to the server's own objects without what servers write."""
    backups.can_decrypt()
    report = backups.run()
    manifest = backups.read()
    assert report.outcome is Outcome.COMPLETED
    assert report.summary[0].startswith("complete backup ")
    assert f"resourceVersion {manifest.instant}" in report.summary[1]
    wanted = {body["kind"] for _, body in examples()}
    assert len(wanted) > 40
    assert wanted - {one.kind for one in manifest.entries} == set()
    kinds = {(one.group, one.kind): one for one in backups.kinds()}
    seen = 0
    for entry, found in read_objects(open_cluster(backups.site.name), manifest, manifest.entries):
        kind = kinds[entry.group, entry.kind]
        place = kind.path.replace(f"/{kind.resource}", "")
        inside = f"/namespaces/{entry.namespace}" if entry.namespace else ""
        live = backups.api.get(f"{place}{inside}/{kind.resource}/{entry.name}")
        assert found == to_clean(kind, live), entry.label
        seen += 1
    assert seen == manifest.index.entries == sum(manifest.counts.values())


def test_all_kinds_are_of_one_instant(backups: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two kinds somebody changes, deletes and creates objects of kinds that are not read yet."""
    backups.put("configmaps", "changed", data={"a": "old"})
    backups.put("services", "deleted", spec={"clusterIP": "None", "ports": [{"port": 80}]})
    backups.put("secrets", "changed", stringData={"a": "old"})
    pages, done = observe.Reader.pages, threading.Event()

    def meddled(reader: observe.Reader, kind: Kind, instant: str) -> Iterator[list[dict[str, Any]]]:
        if instant and not done.is_set():
            done.set()
            backups.patch("configmaps", "changed", data={"a": "new"})
            backups.patch("secrets", "changed", stringData={"a": "new"})
            backups.api.delete(f"/api/v1/namespaces/{backups.namespace}/services/deleted")
            backups.put("configmaps", "late", data={"a": "late"})
        yield from pages(reader, kind, instant)

    monkeypatch.setattr(observe.Reader, "pages", meddled)
    backups.can_decrypt()
    backups.run()
    assert done.is_set()
    found = backups.objects(backups.read(), namespace=backups.namespace)
    assert found[f"ConfigMap/{backups.namespace}/changed"]["data"] == {"a": "old"}
    assert found[f"Secret/{backups.namespace}/changed"]["data"] == {"a": "b2xk"}
    assert f"Service/{backups.namespace}/deleted" in found
    assert f"ConfigMap/{backups.namespace}/late" not in found


def test_an_instant_that_is_compacted_is_read_again(backups: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API itself answers 410: the first instant is older than the compaction."""
    instant, asked = observe.Reader.instant, []

    def compacted(reader: observe.Reader) -> str:
        found = instant(reader)
        asked.append(found)
        return "1" if len(asked) == 1 else found

    monkeypatch.setattr(observe.Reader, "instant", compacted)
    compact(backups)
    backups.run()
    assert len(asked) == 2
    assert backups.read().instant == asked[1]


@pytest.mark.full
def test_a_cluster_that_always_compacts_gets_a_backup_that_says_so(
    backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kind after kind, and the report does not call it one instant."""
    monkeypatch.setattr(observe.Reader, "instant", lambda _: "1")
    compact(backups)
    report = backups.run()
    assert report.summary[1].startswith("not one instant: the API compacted 3 instants")
    assert backups.read().instant == ""
    assert backups.read().index.entries > 40


def compact(backups: Backups) -> None:
    """Let etcd forget the first revisions, as the API server asks every five minutes."""
    namespaces = backups.api.get("/api/v1/namespaces", limit="1")
    backups.cluster.etcd.etcdctl("compact", namespaces["metadata"]["resourceVersion"])


def test_an_unchanged_object_costs_nothing_and_a_change_is_told(backups: Backups) -> None:
    """The next backup has one new pack with the changed files alone; the report has who and what."""
    backups.put("configmaps", "app", data={"app.conf": "level = info\nworkers = 4\n"})
    backups.put("configmaps", "gone", data={"a": "b"})
    backups.put("secrets", "login", stringData={"password": PASSWORD})
    first = backups.run()
    assert "there is no previous backup to compare with" in first.summary
    one = backups.read()
    backups.patch("configmaps", "app", data={"app.conf": "level = debug\nworkers = 4\n"})
    backups.api.delete(f"/api/v1/namespaces/{backups.namespace}/configmaps/gone")
    backups.put("configmaps", "new", data={"a": "b"})
    backups.patch("secrets", "login", stringData={"password": f"{PASSWORD}-2"})
    report = backups.run()
    two = backups.read()
    assert two.previous == one.id
    assert two.figures.dumped == 3
    assert two.figures.new_packs == 2
    lines = "\n".join(report.summary)
    assert "1 created, 2 changed, 1 deleted" in lines
    assert re.search(rf"changed: ConfigMap/{backups.namespace}/app, by python-httpx 20\d\d-", lines)
    assert f"deleted: ConfigMap/{backups.namespace}/gone" in lines
    assert f"created: ConfigMap/{backups.namespace}/new" in lines
    assert f"changed: Secret/{backups.namespace}/login" in lines
    assert "they are encrypted" in lines
    text = backups.site.read(backups.keys(f"{two.id}/changes.diff")[0]).decode()
    assert "-    level = info\n+    level = debug\n     workers = 4\n" in text
    assert backups.age_told() == two.taken_at.timestamp()
    third = backups.run()
    assert backups.read().figures.dumped == backups.read().figures.new_packs == 0
    assert "0 created, 0 changed, 0 deleted" in "\n".join(third.summary)


def test_values_of_secrets_are_nowhere(
    backups: Backups, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the bucket, a report, a log, or what a command prints; the one who has the key reads them."""
    applied = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'"{PASSWORD}"'}}}
    backups.api.create(
        f"/api/v1/namespaces/{backups.namespace}/secrets",
        {"metadata": {"name": "login", **applied["metadata"]}, "stringData": {"password": PASSWORD}},
    )
    backups.run()
    backups.patch("secrets", "login", stringData={"password": f"{PASSWORD}-2"})
    backups.can_decrypt()
    report = backups.run()
    lines = "\n".join(report.summary)
    assert re.search(r"values changed: password: [0-9a-f]{8} -> [0-9a-f]{8}", lines)
    name = f"Secret/{backups.namespace}/login"
    assert command("resources", "show", backups.site.name, name) == 0
    older = backups.read().previous
    assert command("resources", "diff", backups.site.name, older) == 0
    assert command("resources", "list", backups.site.name) == 0
    printed = capsys.readouterr()
    assert "sealedKeys:\n- password\n" in printed.out
    plain = [PASSWORD, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"]
    stored = [backups.site.read(one) for one in backups.site.keys(backups.site.name)]
    texts = [printed.out, printed.err, caplog.text, report.model_dump_json(), *(_plain(one) for one in stored)]
    assert [word for word in plain for text in texts if word in text] == []
    whole = backups.objects(backups.read(), kind="Secret", namespace=backups.namespace)[name]
    assert whole["data"] == {"password": "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZS0y"}
    assert PASSWORD in whole["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]


def _plain(body: bytes) -> str:
    """What anyone can read of a stored object."""
    with suppress(ValueError):
        return "\n".join(text.decode() for text in packs.opened(body).values())
    return body.decode(errors="replace")


@pytest.mark.full
def test_without_recipients_the_values_are_left_out(backups: Backups) -> None:
    """And the report says so, and how to change it."""
    backups.site.write(backup={"recipients": []})
    backups.put("secrets", "login", stringData={"password": PASSWORD})
    report = backups.run()
    assert "values of Secrets are not in the backup: add backup.recipients to the profile" in report.summary
    assert backups.keys(".age") == []
    found = backups.objects(backups.read(), kind="Secret", namespace=backups.namespace)
    secret = found[f"Secret/{backups.namespace}/login"]
    assert is_without_values(secret)
    assert secret["sealedKeys"] == ["password"]
    backups.site.write(backup={"recipients": [str(backups.key.to_public())]})
    backups.run()
    assert backups.keys(".age") != []


def test_a_flipped_bit_is_found_and_named(backups: Backups) -> None:
    """By everyone who reads it; `verify_all` says so, and writes the objects again."""
    backups.put("configmaps", "app", data={"a": "b"})
    backups.run()
    manifest = backups.read()
    entry = next(manifest.find(kind="ConfigMap", namespace=backups.namespace, name="app"))
    key = next(one for one in backups.keys(entry.pack))
    body = bytearray(backups.site.read(key))
    body[len(body) // 2] ^= 1
    backups.site.s3.client().put_object(Bucket=backups.site.bucket, Key=key, Body=bytes(body))
    with pytest.raises(Refused, match="is corrupt") as caught:
        backups.objects(manifest, kind="ConfigMap", namespace=backups.namespace, name="app")
    assert f"ConfigMap/{backups.namespace}/app" in caught.value.problem
    report = backups.run(verify_all=True)
    assert any(line.startswith(f"corrupt in the bucket: {entry.pack}") for line in report.summary)
    found = backups.objects(backups.read(), kind="ConfigMap", namespace=backups.namespace)
    assert found[f"ConfigMap/{backups.namespace}/app"]["data"] == {"a": "b"}


@pytest.mark.full
def test_a_pack_that_somebody_deleted_is_told(backups: Backups) -> None:
    """The next backup has none of it, and names the earlier one that is not whole any more."""
    backups.put("configmaps", "app", data={"a": "1"})
    backups.run()
    backups.patch("configmaps", "app", data={"a": "2"})
    backups.run()
    second = backups.read()
    backups.patch("configmaps", "app", data={"a": "3"})
    backups.run()
    entry = next(second.find(kind="ConfigMap", namespace=backups.namespace, name="app"))
    backups.site.s3.client().delete_object(Bucket=backups.site.bucket, Key=backups.keys(entry.pack)[0])
    with pytest.raises(Refused, match="is gone; it has .*app") as caught:
        backups.objects(second, namespace=backups.namespace, name="app")
    assert "take these objects from another backup" in caught.value.hint
    report = backups.run()
    told = (
        f"backup {second.id} is NOT whole: the bucket does not have 1 pack with up to 1 file as written: {entry.pack}"
    )
    assert told in report.summary
    assert backups.objects(backups.read(), namespace=backups.namespace, name="app")


def test_an_api_server_that_does_not_answer_makes_the_backup_partial(backups: Backups) -> None:
    """The rest is stored; the run fails and names the group; the comparison does not call its objects deleted."""
    group = "broken.example.com"
    body = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"namespace": backups.namespace, "name": "nobody"},
        },
    }
    backups.api.create(observe.APISERVICES, body)
    try:
        with pytest.raises(NotYet, match=rf"is partial: \*\.{re.escape(group)}: the API server of"):
            backups.run()
    finally:
        backups.api.delete(f"{observe.APISERVICES}/v1.{group}")
    manifest = backups.read()
    assert manifest.state == "partial"
    assert manifest.index.entries > 40
    kept = stored_report(backups)
    assert kept["outcome"] == "failed"
    assert kept["summary"][0].startswith("partial backup ")
    assert backups.age_told() is None


@pytest.mark.full
def test_what_changed_while_a_kind_did_not_answer_is_told_later(
    backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup after a partial one compares that kind with the backup before it."""
    backups.put("configmaps", "app", data={"a": "old"})
    backups.run()
    first, pages = backups.read(), observe.Reader.pages

    def broken(reader: observe.Reader, kind: Kind, instant: str) -> Iterator[list[dict[str, Any]]]:
        if kind.label == "configmaps":
            message = "HTTP 500: nobody answers"
            raise observe.Unread(message)
        yield from pages(reader, kind, instant)

    with monkeypatch.context() as patched:
        patched.setattr(observe.Reader, "pages", broken)
        with pytest.raises(NotYet, match="is partial: configmaps"):
            backups.run()
    backups.patch("configmaps", "app", data={"a": "new"})
    lines = "\n".join(backups.run().summary)
    assert f"0 created, 1 changed, 0 deleted; configmaps since backup {first.id}" in lines
    assert f"changed: ConfigMap/{backups.namespace}/app, by " in lines
    text = backups.site.read(backups.keys(f"{backups.read().id}/changes.diff")[0]).decode()
    assert "-  a: old\n+  a: new\n" in text


@pytest.mark.full
def test_a_user_who_may_not_list_a_kind_gets_a_partial_backup(backups: Backups) -> None:
    """Never a complete one: the run fails, names the kinds, and says which right is missing."""
    roles = "/apis/rbac.authorization.k8s.io/v1"
    who, name = backups.cluster.user(f"{backups.namespace}-limited"), backups.namespace
    rules = [{"apiGroups": ["*"], "resources": ["configmaps", "namespaces", "apiservices"], "verbs": ["get", "list"]}]
    backups.api.create(f"{roles}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    role = {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    subject = {"kind": "User", "name": f"{name}-limited", "apiGroup": "rbac.authorization.k8s.io"}
    backups.api.create(
        f"{roles}/clusterrolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    )
    backups.site.use_api(backups.cluster.kubeconfig(who))
    with pytest.raises(NotYet, match="is partial: .*secrets: HTTP 403: ") as caught:
        backups.run()
    assert "the right to list them" in caught.value.hint
    manifest = backups.read()
    assert (manifest.state, set(manifest.counts)) == ("partial", {"configmaps", "namespaces"})
    assert backups.age_told() is None
    for kind in ("clusterroles", "clusterrolebindings"):
        backups.api.delete(f"{roles}/{kind}/{name}")


@pytest.mark.full
def test_a_kind_whose_conversion_fails_makes_the_backup_partial(
    backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objects are stored in a version that nobody converts. They do not count as deleted."""
    monkeypatch.setattr(observe, "PATIENCE", timedelta(seconds=1))
    path, body = definition("gears", "Gear", "Namespaced")
    backups.api.create(path, body)
    gears = f"/apis/example.com/v1/namespaces/{backups.namespace}/gears"
    named = f"{path}/gears.example.com"
    wait_until(lambda: backups.api.is_fine(gears), 60.0, "the API serves gears")
    backups.api.create(gears, {"apiVersion": "example.com/v1", "kind": "Gear", "metadata": {"name": "one"}})
    backups.run()
    (old,) = body["spec"]["versions"]
    service = {"namespace": backups.namespace, "name": "nobody"}
    conversion = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}},
    }
    versions = [old, old | {"name": "v2", "storage": False}]
    backups.api.patch(named, {"spec": {"versions": versions, "conversion": conversion}})
    wait_until(
        lambda: any((one.kind, one.version) == ("Gear", "v2") for one in backups.kinds()), 60.0, "the API prefers v2"
    )
    try:
        with pytest.raises(NotYet, match="is partial: gears.example.com: HTTP 500: conversion webhook"):
            backups.run()
    finally:
        backups.api.patch(named, {"spec": {"conversion": {"strategy": "None", "webhook": None}}})
        backups.api.delete(named)
        wait_until(lambda: not backups.api.is_fine(named), 120.0, "gears are gone")
    lines = stored_report(backups)["summary"]
    assert any(line.endswith("not compared: gears.example.com") for line in lines), lines
    assert not any("deleted: Gear" in line for line in lines)


@pytest.mark.full
def test_a_pack_that_a_newer_backup_shares_is_locked_as_long_as_its_manifest(
    cluster: ControlPlane, new_site: Callable[..., Site], request: pytest.FixtureRequest
) -> None:
    """Before there is a manifest. The profile keeps the second backup longer than the first, whose packs it has."""
    site = new_site(cluster.etcd, object_lock=True)
    made = Backups(cluster, site, f"t{abs(hash(request.node.nodeid)) % 10**8}")
    made.site.write(store={"object_lock": {"mode": "GOVERNANCE", "days": 1}})
    made.run()
    first = made.read()
    made.site.write(store={"object_lock": {"mode": "GOVERNANCE", "days": 3}})
    made.run()
    second = made.read()
    assert (second.previous, second.figures.new_packs) == (first.id, 0)
    store = resources_of(open_cluster(site.name))
    until = store.locked_until(second.id)
    assert until
    assert until - datetime.now(UTC) > timedelta(days=2)
    keys = [store.key(second.id, "index.jsonl.zst"), *(store.pack_key(one.name) for one in second.packs)]
    locks = [store.store.locked_until(key) for key in keys]
    assert len(locks) > 1
    assert all(one and one >= until for one in locks), locks
    earlier = store.locked_until(first.id)
    assert earlier
    assert earlier < until
    close_clusters()


@pytest.mark.full
def test_a_kind_that_is_removed_while_it_is_read_makes_the_backup_partial(
    backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API answers 404 between two of its pages. It is named; its objects do not count as deleted; the next run does not expect it."""
    path, body = definition("cogs", "Cog", "Namespaced")
    backups.api.create(path, body)
    cogs, named = f"/apis/example.com/v1/namespaces/{backups.namespace}/cogs", f"{path}/cogs.example.com"
    wait_until(lambda: backups.api.is_fine(cogs), 60.0, "the API serves cogs")
    for name in ("one", "two"):
        backups.api.create(cogs, {"apiVersion": "example.com/v1", "kind": "Cog", "metadata": {"name": name}})
    backups.run()
    whole, pages = backups.read(), observe.Reader.pages
    read: list[int] = []

    def removed(reader: observe.Reader, kind: Kind, instant: str) -> Iterator[list[dict[str, Any]]]:
        for page in pages(reader, kind, instant):
            yield page
            if kind.label == "cogs.example.com":
                read.append(len(page))
                backups.api.delete(named)
                wait_until(lambda: not backups.api.is_fine(cogs), 120.0, "cogs are gone")

    monkeypatch.setattr(observe, "FIRST_PAGE", 1)
    monkeypatch.setattr(observe.Reader, "pages", removed)
    with pytest.raises(NotYet, match="is partial: cogs.example.com: HTTP 404: "):
        backups.run()
    assert read == [1]
    manifest = backups.read()
    assert [one.subject for one in manifest.not_read] == ["cogs.example.com"]
    assert (manifest.state, manifest.previous) == ("partial", whole.id)
    lines = stored_report(backups)["summary"]
    assert any(line.endswith("not compared: cogs.example.com") for line in lines), lines
    assert not any("deleted: Cog" in line for line in lines)
    assert backups.age_told() == whole.taken_at.timestamp()

    backups.run()
    assert backups.read().state == "complete"


def stored_report(backups: Backups) -> dict[str, Any]:
    """The newest report in the bucket."""
    found = [one for one in backups.site.keys(f"{backups.site.name}/reports/") if one.endswith(".json")]
    told: dict[str, Any] = json.loads(backups.site.read(max(found, key=lambda one: one.rpartition("/")[2])))
    return told


def test_a_store_that_fails_in_the_middle_leaves_no_backup(
    backups: Backups, quick_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that a listing calls a backup; the next run makes one."""
    del quick_retries
    with S3Proxy(backups.site.s3.endpoint) as proxy:
        backups.site.write(store={"endpoint": proxy.endpoint})
        for task in (steps.take_resources, steps.write_resources_manifest):
            monkeypatch.setattr(task, "retries", 0)
        proxy.on(method="PUT", path="index.jsonl.zst").answer(500, "InternalError")
        with pytest.raises(RunbookError):
            backups.run()
    backups.site.write(store={"endpoint": backups.site.s3.endpoint})
    assert backups.keys("/manifest.json") == []
    assert backups.keys(".tar.zst") != []
    backups.run()
    assert len(backups.keys("/manifest.json")) == 1


def test_a_run_that_is_killed_is_run_again(backups: Backups, prefect_server: PrefectServer) -> None:
    """Killed before the manifest: there is no backup, and the next run uses its packs."""
    parameters = json.dumps({"cluster": backups.site.name})
    words = [sys.executable, "-m", "tests.servers.runner", "resources_backup_to_s3", parameters]
    environment = os.environ | backups.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    killed = subprocess.run(
        [*words, "before write resources manifest"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    assert backups.keys("/manifest.json") == []
    left = backups.keys(".tar.zst")
    assert left != []
    backups.run()
    assert len(backups.keys("/manifest.json")) == 1
    assert set(left) <= set(backups.keys(".tar.zst"))


def test_retention_deletes_no_pack_that_a_backup_needs(backups: Backups) -> None:
    """Two backups share packs; the older one goes, and the newer one is still whole. Unused packs go after the grace time."""
    keeps_one = Retention(last=1)
    backups.put("configmaps", "app", data={"a": "1"})
    backups.run()
    backups.patch("configmaps", "app", data={"a": "2"})
    backups.run(retention=keeps_one)
    only = backups.read()
    assert len(backups.keys("/manifest.json")) == 1
    assert backups.objects(only, namespace=backups.namespace)[f"ConfigMap/{backups.namespace}/app"]["data"] == {
        "a": "2"
    }
    assert steps.read_back_resources.fn(backups.site.name, only, verify_all=True).files == only.index.entries
    unused = f"{backups.site.name}/resources/packs/{'0' * 64}.tar.zst"
    backups.site.s3.client().put_object(Bucket=backups.site.bucket, Key=unused, Body=b"nobody's")
    backups.run(retention=keeps_one)
    assert backups.site.read(unused) == b"nobody's"
    marks = f"{backups.site.name}/resources/unused.json"
    told = json.loads(backups.site.read(marks))
    assert f"{'0' * 64}.tar.zst" in told
    old = json.dumps(dict.fromkeys(told, "2020-01-01T00:00:00+00:00"))
    backups.site.s3.client().put_object(Bucket=backups.site.bucket, Key=marks, Body=old.encode())
    report = backups.run(retention=keeps_one)
    assert unused not in backups.site.keys(f"{backups.site.name}/resources/packs/")
    assert any("packs: 1 removed" in line for line in report.summary)


def test_a_backup_from_the_future_is_never_the_latest(backups: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's clock was a day ahead. Nothing is compared with it, and nothing is restored from it unless a person names it."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return cls.fromtimestamp((datetime.now(tz) + timedelta(days=1)).timestamp(), tz)

    backups.put("configmaps", "app", data={"a": "old"})
    backups.run()
    first = backups.read()
    with monkeypatch.context() as patched:
        patched.setattr(steps, "datetime", Ahead)
        observed = steps.observe_resources.fn(backups.site.name)
        ahead = steps.take_resources.fn(backups.site.name, observed, "0a1b2c3d-4e5f-7061-8293-a4b5c6d7e8f9")
        steps.write_resources_manifest.fn(backups.site.name, ahead)
    assert backups.read(ahead.id).taken_at > datetime.now(UTC)
    assert backups.read().id == first.id
    backups.patch("configmaps", "app", data={"a": "new"})
    backups.run()
    last = backups.read()
    assert last.previous == first.id
    assert backups.objects(last, namespace=backups.namespace, name="app").popitem()[1]["data"] == {"a": "new"}


@pytest.mark.full
def test_the_rules_of_the_profile_leave_out(backups: Backups) -> None:
    """By kind and by namespace; the reason is in the manifest."""
    backups.put("configmaps", "app", data={"a": "b"})
    exclude = [
        {"kinds": ["widgets.*"]},
        {"namespaces": ["table"]},
        {"kinds": ["configmaps"], "namespaces": [f"{backups.namespace[:-1]}?"]},
    ]
    backups.site.write(resources={"exclude": exclude})
    backups.run()
    manifest = backups.read()
    assert list(manifest.find(kind="Widget")) == []
    assert list(manifest.find(kind="Namespace", name="table")) == []
    assert list(manifest.find(kind="Namespace", name=backups.namespace)) != []
    assert list(manifest.find(kind="ConfigMap", namespace=backups.namespace)) == []
    reasons = {one.what for one in manifest.left_out if "resources.exclude" in one.reason}
    assert {"widgets.example.com", "configmaps"} <= reasons


def command(*words: str) -> int:
    """The exit status of `kube-runbooks`."""
    close_clusters()
    return int(app(words, result_action="return_value"))


@pytest.mark.full
def test_commands_say_what_they_do_not_find(backups: Backups, capsys: pytest.CaptureFixture[str]) -> None:
    """With the next step."""
    assert command("resources", "show", backups.site.name, "ConfigMap/a/b") != 0
    assert "has no backup of resources" in capsys.readouterr().err
    backups.run()
    assert command("resources", "show", backups.site.name, "ConfigMap/no/such") != 0
    assert "has no ConfigMap/no/such" in capsys.readouterr().err
    assert command("resources", "diff", backups.site.name, "nothing") != 0
    assert "there is no backup nothing" in capsys.readouterr().err
    assert command("resources", "list", backups.site.name, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "complete"
    key = f"{backups.site.name}/resources/{backups.read().id}/manifest.json"
    backups.run()
    backups.site.s3.client().put_object(Bucket=backups.site.bucket, Key=key, Body=b"{")
    assert command("resources", "list", backups.site.name) == 0
    told = capsys.readouterr().out
    assert " complete " in told
    assert "cannot be read: " in told


@pytest.mark.full
def test_what_is_stored_is_yaml_that_anyone_reads(backups: Backups) -> None:
    """With tools that are everywhere: a tar in zstd, whose files have readable blocks."""
    backups.put("configmaps", "app", data={"app.conf": "a = 1\nb = 2\n"})
    backups.run()
    manifest = backups.read()
    entry: Entry = next(manifest.find(kind="ConfigMap", namespace=backups.namespace, name="app"))
    files = packs.opened(backups.site.read(backups.keys(entry.pack)[0]))
    text = files[f"namespaces/{backups.namespace}/core/ConfigMap/app.yaml"].decode()
    assert "  app.conf: |\n    a = 1\n    b = 2\n" in text
    assert yaml.safe_load(text)["data"] == {"app.conf": "a = 1\nb = 2\n"}
