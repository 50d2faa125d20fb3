"""`resources_restore` on a real API server: what a backup has comes back, equal, and nothing else is touched."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyrage
import pytest

from flows.resources_restore import resources_restore
from flows.resources_restore_drill import resources_restore_drill
from tasks.cluster import close_clusters, open_cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tasks.core.secret_forms import forms_of
from tasks.resources import steps as backup_steps
from tasks.resources.models import Kind
from tasks.resources.observe import Reader, Unread
from tasks.resources.policy.contents import to_clean
from tasks.resources_restore import steps as restore_steps
from tasks.resources_restore.models import ResourceRestoreOptions, Restored, Select
from tasks.resources_restore.policy.compare import differences, normal
from tasks.resources_restore.policy.order import rank_of
from tasks.resources_restore.policy.plan import to_write
from tasks.resources_restore.summary import summarize_objects
from tests.facts.resources import WIDGETS as KIND_WIDGETS
from tests.facts.resources import examples
from tests.servers.kubernetes import ApiError, ControlPlane, Resource
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.proxies import S3Proxy
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

LIMIT = 150.0
ROOT = Path(__file__).parents[2]
CORE, APPS = "/api/v1", "/apis/apps/v1"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all: each test has a namespace of its own."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as plane:
        yield plane


def none() -> None:
    """The lock is ours."""


class Restore:
    """The runbook, a backup to restore from, and a namespace in which a test works."""

    def __init__(self, plane: ControlPlane, site: Site) -> None:
        self.plane, self.api, self.site = plane, plane.api, site
        self.name = site.name.replace("site-", "shop-")
        self.key = pyrage.x25519.Identity.generate()
        self.api.create(f"{CORE}/namespaces", {"metadata": {"name": self.name, "labels": {"team": "shop"}}})

    def back_up(self) -> str:
        """A backup of everything; returns its id."""
        found = backup_steps.observe_resources.fn(self.site.name)
        manifest = backup_steps.take_resources.fn(self.site.name, found, str(uuid4()))
        return backup_steps.write_resources_manifest.fn(self.site.name, manifest).id

    def can_encrypt(self) -> None:
        """From now on a backup has the values of Secrets, encrypted."""
        self.site.write(backup={"recipients": [str(self.key.to_public())]})

    def can_decrypt(self) -> None:
        """From now on the profile has the secret half of the recipient as well."""
        self.can_encrypt()
        file = self.site.folder / "identity"
        file.touch(mode=0o600)
        file.write_text(str(self.key))
        self.site.write(backup={"identity": f"file:{file}"})

    def run(
        self, mode: Mode = Mode.APPLY, select: dict[str, Any] | None = None, backup: str = "latest", **options: object
    ) -> Report:
        """The runbook, by default for the namespace."""
        chosen = Select.model_validate({"namespaces": [self.name]} if select is None else select)
        return resources_restore(self.site.name, backup, chosen, mode, ResourceRestoreOptions.model_validate(options))

    def steps(self, report: Report) -> dict[str, str]:
        """What a plan does, by object."""
        assert report.plan
        return {one.subject: one.act for one in report.plan.steps}

    def path(self, kind: str, name: str = "", root: str = CORE) -> str:
        """In the namespace."""
        return f"{root}/namespaces/{self.name}/{kind}{f'/{name}' if name else ''}"

    def create(self, kind: str, body: Resource, root: str = CORE) -> Resource:
        """In the namespace."""
        return self.api.create(self.path(kind, root=root), body)

    def find(self, path: str) -> Resource | None:
        """None if it does not exist."""
        try:
            return self.api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def delete(self, path: str) -> None:
        """Deletes it, and waits until it is gone."""
        self.api.delete(path, {"propagationPolicy": "Background"})
        wait_until(lambda: self.find(path) is None, LIMIT, f"{path} is gone")


@pytest.fixture
def restore(plane: ControlPlane, site: Site) -> Restore:
    """With the rights of an administrator."""
    site.use_api(plane.kubeconfig())
    return Restore(plane, site)


def config(name: str, **data: str) -> Resource:
    """A ConfigMap."""
    return {"metadata": {"name": name}, "data": data}


def pods(app: str) -> Resource:
    """A template."""
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/none:1"}]},
    }


def test_a_namespace_that_was_deleted_comes_back_equal(restore: Restore) -> None:
    """With all its objects. A second run has nothing to do, and a plan changes nothing."""
    restore.create("configmaps", config("settings", color="blue"))
    restore.create("serviceaccounts", {"metadata": {"name": "web"}})
    selector = {"matchLabels": {"app": "web"}}
    web = {"metadata": {"name": "web"}, "spec": {"replicas": 0, "selector": selector, "template": pods("web")}}
    restore.create("deployments", web, APPS)
    restore.create(
        "services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    )
    paths = [
        restore.path("configmaps", "settings"),
        restore.path("serviceaccounts", "web"),
        restore.path("deployments", "web", APPS),
        restore.path("services", "web"),
        f"{CORE}/namespaces/{restore.name}",
    ]
    before = {path: restore.api.get(path) for path in paths}
    restore.back_up()
    restore.delete(f"{CORE}/namespaces/{restore.name}")

    plan = restore.run(Mode.PLAN)
    assert restore.find(f"{CORE}/namespaces/{restore.name}") is None
    assert restore.steps(plan) == {
        f"Namespace {restore.name}": "create",
        **{
            f"{kind} {restore.name}/{name}": "create"
            for kind, name in [
                ("ServiceAccount", "web"),
                ("ConfigMap", "settings"),
                ("Service", "web"),
                ("Deployment", "web"),
            ]
        },
    }
    assert plan.summary[0] == "nothing was done: the plan has 5 steps"
    misspelt = restore.run(Mode.PLAN, select={"namespaces": [restore.name, "shpo"], "kinds": ["configmap", "secrt"]})
    assert misspelt.plan
    told = [one.problem.partition(" has ")[2] for one in misspelt.plan.cautions]
    assert told == ["no object of the kind secrt", "no object of the namespace shpo"]

    report = restore.run()
    assert report.summary[1] == "read back: 5 objects as the backup has them"
    for path, was in before.items():
        assert normal(restore.api.get(path)) == normal(was)
    assert restore.run().summary[0].startswith("nothing to do")


def test_the_latest_backup_is_the_newest_one(restore: Restore) -> None:
    """An older one is named by its id."""
    restore.create("configmaps", config("settings", color="blue"))
    older = restore.back_up()
    second = datetime.now(UTC).replace(microsecond=0)
    restore.api.patch(restore.path("configmaps", "settings"), {"data": {"color": "red"}})
    wait_until(lambda: datetime.now(UTC).replace(microsecond=0) > second, LIMIT, "the next second, for another id")
    restore.back_up()

    assert restore.run(existing="update").summary[0].startswith("nothing to do")
    assert restore.api.get(restore.path("configmaps", "settings"))["data"] == {"color": "red"}
    restore.run(existing="update", backup=older, force=[f"ConfigMap/{restore.name}/settings"])
    assert restore.api.get(restore.path("configmaps", "settings"))["data"] == {"color": "blue"}


def test_existing_objects_are_left_unless_they_are_to_be_updated(restore: Restore) -> None:
    """The plan says which differ and how. Fields of another manager are never taken, unless a person chose the object."""
    restore.create("configmaps", config("mine", color="blue"))
    restore.create("configmaps", config("theirs", color="blue"))
    restore.create("secrets", {"metadata": {"name": "key"}, "stringData": {"word": "correct-horse"}})
    restore.create("configmaps", config("same", color="blue"))
    restore.back_up()
    path = restore.path("configmaps", "mine")
    for name in ("mine", "theirs"):
        restore.api.patch(restore.path("configmaps", name), {"data": {"color": "red"}})
    restore.api.patch(path, {"data": {"extra": "1"}, "metadata": {"labels": {"tier": "new"}}})
    restore.api.patch(restore.path("configmaps", "same"), {"data": {"extra": "1"}})
    restore.create("configmaps", config("new", color="green"))

    report = restore.run()
    assert report.summary[0].startswith("nothing to do")
    assert report.plan
    left = {one.subject: one.reason for one in report.plan.skips}
    name = f"ConfigMap {restore.name}/mine"
    assert left[name].startswith('it exists, and differs: others own fields that differ: data.color: "')

    with pytest.raises(Refused) as error:
        restore.run(select={"namespaces": [restore.name], "kinds": ["ConfigMap"]}, existing="update")
    assert f"--force=ConfigMap/{restore.name}/mine" in error.value.hint
    assert f"{name}: conflict: others own fields that differ: data.color" in error.value.problem
    assert restore.api.get(path)["data"] == {"color": "red", "extra": "1"}

    chosen = {"namespaces": [restore.name], "kinds": ["configmaps"]}
    options: dict[str, Any] = {
        "existing": "update",
        "force": [f"ConfigMap/{restore.name}/mine"],
        "skip_failing": True,
        "delete_extra": True,
    }
    report = restore.run(select=chosen, **options)
    assert restore.steps(report) == {
        name: 'update: data.color: "red" -> "blue"',
        f"ConfigMap {restore.name}/new": "delete",
    }
    assert restore.api.get(path)["data"] == {"color": "blue", "extra": "1"}
    assert restore.api.get(restore.path("configmaps", "theirs"))["data"] == {"color": "red"}
    kept = "the backup does not have these fields, and they stay: "
    assert report.plan
    told = {one.subject: one.problem for one in report.plan.cautions if one.problem.startswith(kept)}
    same = f"ConfigMap {restore.name}/same"
    assert told == {name: f"{kept}data.extra, metadata.labels", same: f"{kept}data.extra"}
    assert f"NOT removed: {name}: {told[name]}" in report.summary
    assert restore.find(restore.path("configmaps", "new")) is None
    assert restore.find(restore.path("configmaps", "kube-root-ca.crt"))
    assert any(one.startswith(f"NOT restored: ConfigMap {restore.name}/theirs: conflict") for one in report.summary)


def test_only_what_the_backup_would_have_is_deleted_as_extra(restore: Restore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what the profile's rules left out then, or leave out now, and not the kind that broke off while it was read."""
    network, batch = "/apis/networking.k8s.io/v1", "/apis/batch/v1"
    restore.create("configmaps", config("left-out", color="blue"))
    restore.create("configmaps", config("half-read", color="blue"))
    rule = {"kinds": ["configmaps"], "namespaces": [restore.name]}
    restore.site.write(resources={"exclude": [rule]})
    close_clusters()
    ruled = restore.back_up()
    restore.create("networkpolicies", {"metadata": {"name": "late"}, "spec": {"podSelector": {}}}, network)
    spec = {"schedule": "7 3 * * 1", "jobTemplate": {"spec": {"template": pods("x")}}}
    spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"  # type: ignore[index]
    restore.create("cronjobs", {"metadata": {"name": "late"}, "spec": spec}, batch)

    def extra(backup: str) -> set[str]:
        report = restore.run(Mode.PLAN, backup=backup, delete_extra=True)
        return {name for name, act in restore.steps(report).items() if act == "delete"}

    late = {f"{kind} {restore.name}/late" for kind in ("CronJob", "NetworkPolicy")}
    restore.site.write(resources={"exclude": []})
    close_clusters()
    assert extra(ruled) == late
    restore.site.write(resources={"exclude": [{"kinds": ["cronjobs.batch"]}]})
    close_clusters()
    assert extra(ruled) == {f"NetworkPolicy {restore.name}/late"}

    restore.site.write(resources={"exclude": []})
    close_clusters()
    pages = Reader.pages

    def broken(reader: Reader, kind: Kind, instant: str) -> Iterator[list[dict[str, Any]]]:
        for page in pages(reader, kind, instant):
            yield [one for one in page if one["metadata"]["name"] != "half-read"]
            if kind.label == "configmaps":
                message = "HTTP 500: it broke off"
                raise Unread(message)

    with monkeypatch.context() as patched:
        patched.setattr(Reader, "pages", broken)
        partial = restore.back_up()
    restore.create("serviceaccounts", {"metadata": {"name": "late"}})
    assert extra(partial) == {f"ServiceAccount {restore.name}/late"}


def test_secrets_come_back_only_with_an_identity(restore: Restore, caplog: pytest.LogCaptureFixture) -> None:
    """Their values are in no plan, report or log."""
    words = {"word": "correct-horse-battery", "more": "staple-hopper-ladder"}
    restore.create("secrets", {"metadata": {"name": "key"}, "stringData": words})
    restore.can_encrypt()
    restore.back_up()
    path = restore.path("secrets", "key")
    was = restore.api.get(path)
    restore.delete(path)
    with pytest.raises(Refused, match="no data: the backup has its values encrypted"):
        restore.run()
    assert restore.find(path) is None
    restore.can_decrypt()
    restore.run()
    assert normal(restore.api.get(path)) == normal(was)
    restore.api.patch(path, {"data": {"word": b64encode(b"of-somebody-else").decode()}})
    report = restore.run(existing="update", force=[f"Secret/{restore.name}/key"])
    assert restore.steps(report) == {f"Secret {restore.name}/key": "update: data.word: another value"}
    assert restore.api.get(path)["data"] == was["data"]
    for word in (*words.values(), "of-somebody-else"):
        for form in forms_of(word):
            assert not any(form in text for text in (*restore.site.texts(), caplog.text))


def test_secrets_that_nobody_can_decrypt_stop_nothing_else(restore: Restore) -> None:
    """A Secret without a value comes back whole. The verdict says what is missing: the recipients of then, or the identity."""
    words = {"word": "correct-horse-battery"}
    restore.create("secrets", {"metadata": {"name": "empty"}})
    restore.create("secrets", {"metadata": {"name": "key"}, "stringData": words})
    paths = [restore.path("secrets", name) for name in ("empty", "key")]
    first = restore.back_up()
    restore.can_encrypt()
    close_clusters()
    second = restore.back_up()
    for path in paths:
        restore.delete(path)
    restore.key = pyrage.x25519.Identity.generate()
    restore.can_decrypt()
    close_clusters()
    for backup, reason in (
        (first, "no data: the backup does not have its values: the profile had no backup.recipients then"),
        (second, "no data: the backup has its values encrypted, and the profile has no identity that decrypts them"),
    ):
        with pytest.raises(Refused) as error:
            restore.run(backup=backup)
        assert f"Secret {restore.name}/key: {reason}" in error.value.problem
        assert "/empty" not in error.value.problem
        report = restore.run(backup=backup, skip_failing=True)
        assert restore.steps(report) == {f"Secret {restore.name}/empty": "create"}
        assert restore.find(paths[1]) is None
        restore.delete(paths[0])


@pytest.mark.full
def test_an_object_that_server_side_apply_does_not_take_comes_back(restore: Restore) -> None:
    """A variable that is set twice: the API takes it by a create alone. Once it is there, it is as the backup has it."""
    template = pods("web")
    template["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    selector = {"matchLabels": {"app": "web"}}
    web = {"metadata": {"name": "web"}, "spec": {"replicas": 0, "selector": selector, "template": template}}
    path = restore.path("deployments", "web", APPS)
    was = restore.create("deployments", web, APPS)
    restore.create("configmaps", config("a", color="blue"))
    restore.back_up()
    for one in (path, restore.path("configmaps", "a")):
        restore.delete(one)
    report = restore.run()
    assert report.summary[1] == "read back: 2 objects as the backup has them"
    assert normal(restore.api.get(path))["spec"] == normal(was)["spec"]
    assert restore.run(existing="update").summary[0].startswith("nothing to do")
    assert resources_restore_drill(restore.site.name, namespaces=(restore.name,)).outcome is Outcome.COMPLETED
    restore.api.patch(path, {"spec": {"paused": True, "revisionHistoryLimit": 3}})
    with pytest.raises(
        Refused, match="invalid: it differs from the backup in spec.revisionHistoryLimit, and cannot be applied"
    ):
        restore.run(existing="update")


def test_endpoints_that_people_wrote_come_back(restore: Restore) -> None:
    """A Service without a selector: no controller knows its addresses. All others are left to the controllers."""
    slices = "/apis/discovery.k8s.io/v1"
    for name, selector in (("db", {}), ("old", {}), ("web", {"app": "web"})):
        spec = {"ports": [{"port": 80}], **({"selector": selector} if selector else {})}
        restore.create("services", {"metadata": {"name": name}, "spec": spec})
    labels = {"kubernetes.io/service-name": "db"}
    written = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["203.0.113.7"]}]}
    restore.create("endpointslices", {"metadata": {"name": "db-1", "labels": labels}, **written}, slices)
    subsets = [{"addresses": [{"ip": "203.0.113.8"}], "ports": [{"port": 80}]}]
    restore.create("endpoints", {"metadata": {"name": "old"}, "subsets": subsets})

    def made() -> int:
        return len(restore.api.get(restore.path("endpointslices", root=slices))["items"])

    wait_until(lambda: made() == 3, LIMIT, "the controllers have made slices of old and web")
    restore.back_up()
    restore.delete(f"{CORE}/namespaces/{restore.name}")
    steps = restore.steps(restore.run())
    kinds = ("Endpoints", "EndpointSlice")
    assert {one for one in steps if one.startswith(kinds)} == {
        f"Endpoints {restore.name}/old",
        f"EndpointSlice {restore.name}/db-1",
    }
    assert restore.api.get(restore.path("endpointslices", "db-1", slices))["endpoints"][0]["addresses"] == [
        "203.0.113.7"
    ]


def test_addresses_and_node_ports_are_kept_where_they_are_free(restore: Restore) -> None:
    """Otherwise the Service gets others, and the caution names who has them."""
    spec = {"ports": [{"port": 80, "nodePort": 30808}], "type": "NodePort"}
    restore.create("services", {"metadata": {"name": "web"}, "spec": spec})
    restore.create("services", {"metadata": {"name": "free"}, "spec": {"ports": [{"port": 80}]}})
    was, free = (restore.api.get(restore.path("services", name))["spec"] for name in ("web", "free"))
    restore.back_up()
    for name in ("web", "free"):
        restore.delete(restore.path("services", name))
    ports = [{"port": 80, "nodePort": 30808}]
    taker = {"metadata": {"name": "taker"}, "spec": {"ports": ports, "type": "NodePort", "clusterIP": was["clusterIP"]}}
    restore.create("services", taker)

    report = restore.run()
    assert report.plan
    told = {one.problem for one in report.plan.cautions}
    assert told == {
        f"{was['clusterIP']} is of {restore.name}/taker: {restore.name}/web gets another address",
        f"nodePort 30808/TCP is of {restore.name}/taker: {restore.name}/web gets other node ports",
    }
    now = restore.api.get(restore.path("services", "web"))["spec"]
    assert now["clusterIP"] != was["clusterIP"]
    assert now["ports"][0]["nodePort"] != 30808
    assert restore.api.get(restore.path("services", "free"))["spec"]["clusterIP"] == free["clusterIP"]


def definition(*versions: tuple[str, bool]) -> Resource:
    """Widgets, with versions and whether each is stored."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "metadata": {"name": "widgets.shop.example"},
        "spec": {
            "group": "shop.example",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [
                {"name": name, "served": True, "storage": stored, "schema": schema} for name, stored in versions
            ],
        },
    }


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/shop.example/v1"


@pytest.mark.full
def test_a_definition_comes_back_before_its_objects_and_keeps_a_newer_version(restore: Restore) -> None:
    """An owner without a controller gets its objects back by its new uid, and the garbage collector leaves them alone."""
    restore.api.create(DEFINITIONS, definition(("v1", True)))
    wait_until(lambda: restore.api.is_fine(restore.path("widgets", root=WIDGETS)), LIMIT, "widgets are served")
    widget = {"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 3}}
    owner = restore.create("widgets", widget, WIDGETS)
    reference = {"apiVersion": "shop.example/v1", "kind": "Widget", "name": "one", "uid": owner["metadata"]["uid"]}
    owned = config("owned", color="blue")
    owned["metadata"]["ownerReferences"] = [reference]
    restore.create("configmaps", owned)
    restore.create("configmaps", config("sentinel", color="blue"))
    restore.back_up()
    restore.delete(restore.path("configmaps", "owned"))
    restore.delete(f"{DEFINITIONS}/widgets.shop.example")
    with pytest.raises(Refused, match="kind not served: the API does not serve widgets of shop.example/v1"):
        restore.run()

    select = {
        "kinds": ["CustomResourceDefinition", "Widget", "ConfigMap"],
        "names": ["widgets.shop.example", "one", "owned"],
    }
    plan = restore.run(Mode.PLAN, select=select)
    assert list(restore.steps(plan)) == [
        "CustomResourceDefinition widgets.shop.example",
        f"ConfigMap {restore.name}/owned",
        f"Widget {restore.name}/one",
    ]
    restore.run(select=select)
    new = restore.api.get(restore.path("widgets", "one", WIDGETS))["metadata"]["uid"]
    found = restore.api.get(restore.path("configmaps", "owned"))["metadata"]["ownerReferences"]
    assert [one["uid"] for one in found] == [new]
    # The garbage collector has seen this one only after the other: it deletes the dead owner's object, not the live one's.
    dead = config("dead")
    dead["metadata"]["ownerReferences"] = [reference]
    restore.create("configmaps", dead)
    wait_until(
        lambda: restore.find(restore.path("configmaps", "dead")) is None, LIMIT, "the garbage collector has looked"
    )
    assert restore.find(restore.path("configmaps", "owned"))

    newer = definition(("v1", False), ("v2", True))
    newer["metadata"]["resourceVersion"] = restore.api.get(f"{DEFINITIONS}/widgets.shop.example")["metadata"][
        "resourceVersion"
    ]
    restore.api.replace(f"{DEFINITIONS}/widgets.shop.example", newer)
    chosen = {"kinds": ["CustomResourceDefinition"], "names": ["widgets.shop.example"]}
    force = ["CustomResourceDefinition/widgets.shop.example"]

    def stored() -> object:
        return restore.api.get(f"{DEFINITIONS}/widgets.shop.example")["status"]["storedVersions"]

    wait_until(lambda: stored() == ["v1", "v2"], LIMIT, "v2 is stored")
    report = restore.run(select=chosen, force=force)
    assert report.plan
    assert any("with the live version v2 as well" in one.problem for one in report.plan.cautions)
    versions = restore.api.get(f"{DEFINITIONS}/widgets.shop.example")["spec"]["versions"]
    assert {one["name"]: one["storage"] for one in versions} == {"v1": True, "v2": False}
    restore.delete(f"{DEFINITIONS}/widgets.shop.example")


@pytest.mark.full
def test_a_role_that_collects_others_is_left_to_its_controller(restore: Restore) -> None:
    """What it collects now is no difference, and no conflict."""
    roles, name = "/apis/rbac.authorization.k8s.io/v1/clusterroles", restore.name

    def role(part: str, resource: str = "") -> None:
        rules = [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}] if resource else []
        body = {"metadata": {"name": f"{name}:{part}", "labels": {"part-of": name} if rules else {}}, "rules": rules}
        collects = {"clusterRoleSelectors": [{"matchLabels": {"part-of": name}}]}
        restore.api.create(roles, body if rules else body | {"aggregationRule": collects})

    def collected() -> int:
        return len(restore.api.get(f"{roles}/{name}:all").get("rules") or ())

    role("all")
    role("pods", "pods")
    wait_until(lambda: collected() == 1, LIMIT, "collected")
    restore.back_up()
    for part in ("all", "pods"):
        restore.delete(f"{roles}/{name}:{part}")
    select = {"kinds": ["ClusterRole"], "names": [f"{name}:*"]}
    assert restore.run(select=select).outcome is Outcome.COMPLETED
    role("nodes", "nodes")
    wait_until(lambda: collected() == 2, LIMIT, "collected")
    report = restore.run(select=select, existing="update")
    assert report.summary[0].startswith("nothing to do")
    assert report.plan
    assert report.plan.cautions == ()


@pytest.mark.full
def test_a_definition_that_does_not_bring_a_kind_is_told(restore: Restore) -> None:
    """It exists in another version, or another one has its names. Nothing waits for it, and all other objects come back."""
    ours, other = definition(("v1", True)), definition(("v1", True))
    other["metadata"]["name"] = "gadgets.shop.example"
    other["spec"]["names"] |= {"plural": "gadgets", "singular": "gadget"}
    restore.api.create(DEFINITIONS, ours)
    wait_until(lambda: restore.api.is_fine(restore.path("widgets", root=WIDGETS)), LIMIT, "widgets are served")
    restore.create("widgets", {"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "one"}}, WIDGETS)
    restore.api.create(DEFINITIONS, other)
    restore.create("configmaps", config("a", color="blue"))
    restore.back_up()
    restore.delete(f"{DEFINITIONS}/gadgets.shop.example")
    restore.delete(restore.path("configmaps", "a"))
    with pytest.raises(NotYet) as error:
        restore.run(select={"names": ["gadgets.shop.example", "a"]})
    assert "1 object of the plan failed" in error.value.problem
    assert "CustomResourceDefinition gadgets.shop.example: is not Established: " in error.value.problem
    assert restore.find(restore.path("configmaps", "a"))

    for name in ("gadgets", "widgets"):
        restore.delete(f"{DEFINITIONS}/{name}.shop.example")
    restore.api.create(DEFINITIONS, definition(("v2", True)))
    newer = restore.path("widgets", root="/apis/shop.example/v2")
    wait_until(lambda: restore.api.is_fine(newer), LIMIT, "v2 is served")
    with pytest.raises(
        Refused, match="Widget .*/one: kind not served: the API does not serve widgets of shop.example/v1"
    ):
        restore.run(select={"names": ["widgets.shop.example", "one"]})
    restore.delete(f"{DEFINITIONS}/widgets.shop.example")


@pytest.mark.full
def test_a_kind_that_does_not_answer_stops_no_restore_of_others(
    restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion webhook that is down, then an aggregated API: a verdict for its objects alone."""
    monkeypatch.setattr(restore_steps.judge_objects, "retries", 0)
    named, services = f"{DEFINITIONS}/widgets.shop.example", "/apis/apiregistration.k8s.io/v1/apiservices"
    made = definition(("v1", True))
    restore.api.create(DEFINITIONS, made)
    wait_until(lambda: restore.api.is_fine(restore.path("widgets", root=WIDGETS)), LIMIT, "widgets are served")
    one = {"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "one"}}
    restore.create("widgets", one, WIDGETS)
    restore.create("configmaps", config("a", color="blue"))
    restore.back_up()

    def check() -> None:
        restore.delete(restore.path("configmaps", "a"))
        with pytest.raises(Refused) as error:
            restore.run()
        assert f"Widget {restore.name}/one: kind does not answer: nobody can read it: GET " in error.value.problem
        assert restore.steps(restore.run(skip_failing=True)) == {f"ConfigMap {restore.name}/a": "create"}

    (old,) = made["spec"]["versions"]
    versions = [old | {"storage": False}, old | {"name": "v2"}]
    restore.api.patch(named, {"spec": {"versions": versions}})
    newer = restore.path("widgets", "one", "/apis/shop.example/v2")
    wait_until(lambda: restore.api.is_fine(newer), LIMIT, "v2 is served")

    def is_stored_anew() -> bool:
        before = restore.api.get(newer)["metadata"]["resourceVersion"]
        restore.api.patch(newer, {"spec": {"size": int(before)}})
        return bool(restore.api.get(named)["status"]["storedVersions"] == ["v1", "v2"])

    wait_until(is_stored_anew, LIMIT, "it is stored as v2")
    service = {"namespace": restore.name, "name": "nobody"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    restore.api.patch(named, {"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}}})
    try:
        wait_until(lambda: not restore.api.is_fine(restore.path("widgets", "one", WIDGETS)), LIMIT, "nobody converts")
        check()
    finally:
        restore.api.patch(named, {"spec": {"conversion": {"strategy": "None", "webhook": None}}})
        restore.delete(named)
    spec = {"group": "shop.example", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 10}
    spec |= {"insecureSkipTLSVerify": True, "service": service}
    wait_until(lambda: restore.find(f"{services}/v1.shop.example") is None, LIMIT, "the API server serves no widgets")
    restore.api.create(services, {"metadata": {"name": "v1.shop.example"}, "spec": spec})
    try:
        check()
    finally:
        restore.delete(f"{services}/v1.shop.example")


HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def validating_hook(namespace: str, resource: str) -> Resource:
    """A webhook that nobody answers."""
    return {
        "name": "down.shop.example",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}],
    }


def test_what_the_api_server_refuses_is_told_one_by_one_before_anything_is_touched(restore: Restore) -> None:
    """An immutable field, a webhook that is down, a quota, a namespace that is being deleted. An owner that is left out is named."""
    restore.create("configmaps", {**config("frozen", color="blue"), "immutable": True})
    restore.create("services", {"metadata": {"name": "counted"}, "spec": {"ports": [{"port": 80}]}})
    hooked, uid = (
        config("hooked", color="blue"),
        restore.api.get(restore.path("services", "counted"))["metadata"]["uid"],
    )
    hooked["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Service", "name": "counted", "uid": uid}]
    restore.create("configmaps", hooked)
    restore.back_up()
    restore.delete(restore.path("configmaps", "frozen"))
    restore.create("configmaps", {**config("frozen", color="red"), "immutable": True})
    restore.delete(restore.path("configmaps", "hooked"))
    restore.delete(restore.path("services", "counted"))
    restore.create("resourcequotas", {"metadata": {"name": "small"}, "spec": {"hard": {"services": "0"}}})
    quota = restore.path("resourcequotas", "small")
    wait_until(lambda: restore.api.get(quota).get("status", {}).get("hard"), LIMIT, "the quota counts")
    hook = validating_hook(restore.name, "configmaps")
    restore.api.create(HOOKS, {"metadata": {"name": restore.name}, "webhooks": [hook]})

    def refused() -> str:
        with pytest.raises(Refused) as error:
            restore.run(existing="update", force=[f"ConfigMap/{restore.name}/frozen"])
        return error.value.problem

    try:
        wait_until(lambda: "failed calling webhook" in refused(), LIMIT, "the API server knows the webhook")
        problem = refused()
    finally:
        restore.delete(f"{HOOKS}/{restore.name}")
    assert f"ConfigMap {restore.name}/frozen: immutable field: " in problem
    assert f"ConfigMap {restore.name}/hooked: webhook: " in problem
    assert f"Service {restore.name}/counted: quota: " in problem
    assert restore.find(restore.path("configmaps", "hooked")) is None

    report = restore.run(existing="update", force=[f"ConfigMap/{restore.name}/frozen"], skip_failing=True)
    assert report.outcome is Outcome.COMPLETED
    assert restore.steps(report) == {f"ConfigMap {restore.name}/hooked": "create"}
    assert any(one.startswith(f"NOT restored: Service {restore.name}/counted: quota") for one in report.summary)
    words = f"without its owner Service {restore.name}/counted, which cannot be restored and is left out"
    assert f"NOT as the backup has it: ConfigMap {restore.name}/hooked: {words}" in report.summary
    assert report.plan
    assert words in {one.problem for one in report.plan.cautions if one.subject == f"ConfigMap {restore.name}/hooked"}
    assert "ownerReferences" not in restore.api.get(restore.path("configmaps", "hooked"))["metadata"]


@pytest.mark.full
def test_a_quota_of_some_pods_alone_does_not_count_the_others(restore: Restore) -> None:
    """This pod has a request, so a quota for BestEffort is no obstacle."""
    account, quota = restore.path("serviceaccounts", "default"), restore.path("resourcequotas", "best-effort")
    spec = {"hard": {"pods": "0"}, "scopes": ["BestEffort"]}
    restore.create("resourcequotas", {"metadata": {"name": "best-effort"}, "spec": spec})
    wait_until(lambda: restore.api.get(quota).get("status", {}).get("hard"), LIMIT, "the quota counts")
    wait_until(lambda: restore.find(account), LIMIT, "pods may be created")
    pod = pods("x")["spec"]
    pod["containers"][0]["resources"] = {"requests": {"cpu": "1m"}}
    restore.create("pods", {"metadata": {"name": "bare"}, "spec": pod})
    restore.back_up()
    restore.api.delete(restore.path("pods", "bare"), {"gracePeriodSeconds": 0})
    wait_until(lambda: restore.find(restore.path("pods", "bare")) is None, LIMIT, "the pod is gone")
    assert restore.steps(restore.run()) == {f"Pod {restore.name}/bare": "create"}


def test_a_webhook_that_comes_back_before_its_pods_hinders_no_proof(restore: Restore) -> None:
    """Nobody answers it, and it refuses each write. What came before it is finished and proven without asking it."""
    hook = validating_hook(restore.name, "configmaps")
    hook["rules"][0]["operations"] = ["*"]
    owner = restore.create("configmaps", config("owner", color="blue"))
    owned = config("a-owned", color="blue")
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    ]
    restore.create("configmaps", owned)
    restore.api.create(HOOKS, {"metadata": {"name": restore.name}, "webhooks": [hook]})
    restore.back_up()
    restore.delete(f"{HOOKS}/{restore.name}")
    for name in ("a-owned", "owner"):
        restore.delete(restore.path("configmaps", name))
    try:
        report = restore.run(
            select={
                "names": ["owner", "a-owned", restore.name],
                "kinds": ["configmap", "validatingwebhookconfiguration"],
            }
        )
        found = restore.api.get(restore.path("configmaps", "a-owned"))["metadata"]["ownerReferences"]
        assert found[0]["uid"] == restore.api.get(restore.path("configmaps", "owner"))["metadata"]["uid"]
        assert report.summary[1] == "read back: 3 objects as the backup has them"
        assert report.summary[2].startswith("2 objects of them only compared with the backup")
    finally:
        restore.delete(f"{HOOKS}/{restore.name}")


VOLUMES = f"{CORE}/persistentvolumes"


def volume_spec(handle: str, policy: str) -> dict[str, Any]:
    """A volume of a driver that nobody runs."""
    return {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": policy,
        "storageClassName": "",
        "csi": {"driver": "none.example", "volumeHandle": handle},
    }


def claim_spec(volume: str) -> dict[str, Any]:
    """A claim of it."""
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
        "volumeName": volume,
    }


@pytest.mark.full
@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_volume_that_came_along_is_finished_by_a_second_attempt(restore: Restore, policy: str) -> None:
    """Nobody selected it, and it exists by then: only the plan says that it belongs to the run."""
    name = restore.name
    restore.api.create(VOLUMES, {"metadata": {"name": name}, "spec": volume_spec(name, policy)})
    restore.create("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": claim_spec(name)})
    path, volume = restore.path("persistentvolumeclaims", "data"), f"{VOLUMES}/{name}"
    wait_until(lambda: restore.api.get(path)["status"]["phase"] == "Bound", LIMIT, "bound")
    restore.back_up()
    restore.api.patch(volume, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    restore.delete(f"{CORE}/namespaces/{name}")
    restore.delete(volume)

    select, options = Select(namespaces=(name,)), ResourceRestoreOptions()
    facts = restore_steps.judge_objects.fn(restore.site.name, "latest", select, options)
    labels = [one.target.label for one in to_write(facts)]
    assert f"PersistentVolume {name}" in labels
    begun = restore_steps._Restore(open_cluster(restore.site.name), facts, select, options, none)  # noqa: SLF001 - the first pass alone
    for _, rank in groupby(begun.items, lambda one: rank_of(one.target)):
        begun.write(list(rank))
    assert restore.find(volume)

    second = restore_steps.restore_objects.fn(restore.site.name, facts, select, options, none)
    assert (second.created, second.failed, second.waiting) == ((), (), ())
    assert sorted((*second.already, *second.updated)) == sorted(labels)
    found = restore.api.get(volume)
    assert (found["status"]["phase"], found["spec"]["persistentVolumeReclaimPolicy"]) == ("Bound", policy)
    assert "kube-runbooks.io/reclaim-policy" not in found["metadata"].get("annotations", {})
    proof = restore_steps.prove_objects.fn(restore.site.name, facts, select, options, second)
    assert (proof.failed, proof.same) == ((), len(labels))


@pytest.mark.full
def test_a_volume_with_the_policy_delete_is_bound_before_it_gets_it_back(restore: Restore) -> None:
    """Written with its old claim and Delete, the controller manager would delete its data within seconds."""
    name = restore.name
    spec = volume_spec(name, "Delete")
    restore.api.create(VOLUMES, {"metadata": {"name": name}, "spec": spec})
    restore.create("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": claim_spec(name)})
    path, volume = restore.path("persistentvolumeclaims", "data"), f"{VOLUMES}/{name}"
    wait_until(lambda: restore.api.get(path)["status"]["phase"] == "Bound", LIMIT, "bound")
    restore.back_up()
    restore.api.patch(volume, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    restore.delete(f"{CORE}/namespaces/{name}")
    restore.delete(volume)

    report = restore.run()
    assert f"PersistentVolume {name}" in restore.steps(report)
    assert restore.api.get(path)["status"]["phase"] == "Bound"
    found = restore.api.get(volume)
    assert found["status"]["phase"] == "Bound"
    assert found["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert "kube-runbooks.io/reclaim-policy" not in found["metadata"].get("annotations", {})
    assert restore.run().summary[0].startswith("nothing to do")

    restore.api.patch(volume, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    restore.delete(f"{CORE}/namespaces/{name}")
    restore.delete(volume)
    other = {"metadata": {"name": f"{name}-other"}, "spec": spec | {"persistentVolumeReclaimPolicy": "Retain"}}
    restore.api.create(VOLUMES, other)
    with pytest.raises(Refused, match=f"the PersistentVolume {name}-other has the same volume none.example/{name}"):
        restore.run()
    assert restore.find(volume) is None


def test_a_volume_that_outlived_its_claim_is_bound_again(restore: Restore) -> None:
    """With Retain, the deletion of a namespace leaves it Released, with the data: the new claim would wait for it for ever."""
    name = restore.name
    restore.api.create(VOLUMES, {"metadata": {"name": name}, "spec": volume_spec(name, "Retain")})
    restore.create("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": claim_spec(name)})
    path, volume = restore.path("persistentvolumeclaims", "data"), f"{VOLUMES}/{name}"
    wait_until(lambda: restore.api.get(path)["status"]["phase"] == "Bound", LIMIT, "bound")
    restore.back_up()
    restore.delete(f"{CORE}/namespaces/{name}")
    wait_until(lambda: restore.api.get(volume)["status"]["phase"] == "Released", LIMIT, "released")
    restore.api.patch(volume, {"metadata": {"labels": {"new": "yes"}}})
    report = restore.run()
    step = restore.steps(report)[f"PersistentVolume {name}"]
    assert step.startswith("update: spec.claimRef.resourceVersion: ")
    assert "spec.claimRef.uid: " in step
    assert report.summary[1] == "read back: 3 objects as the backup has them"
    assert [restore.api.get(one)["status"]["phase"] for one in (path, volume)] == ["Bound", "Bound"]
    assert restore.run().summary[0].startswith("nothing to do")


@pytest.mark.full
def test_a_volume_of_another_cluster_is_never_deleted_with_its_copy(restore: Restore) -> None:
    """It is bound here, and stays Retain: it is the same volume at the storage."""
    name, spec = restore.name, volume_spec(restore.name, "Delete")
    restore.api.create(VOLUMES, {"metadata": {"name": name}, "spec": spec})
    restore.create("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": claim_spec(name)})
    path, volume = restore.path("persistentvolumeclaims", "data"), f"{VOLUMES}/{name}"
    wait_until(lambda: restore.api.get(path)["status"]["phase"] == "Bound", LIMIT, "bound")
    restore.back_up()
    restore.api.patch(volume, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    restore.delete(f"{CORE}/namespaces/{name}")
    restore.delete(volume)
    first, restore.site.name = restore.site.name, "another"
    restore.site.profile["name"] = "another"
    restore.site.write()
    report = restore.run(from_cluster=first)
    assert report.outcome is Outcome.COMPLETED
    found = restore.api.get(volume)
    assert (found["status"]["phase"], found["spec"]["persistentVolumeReclaimPolicy"]) == ("Bound", "Retain")
    assert report.plan
    assert any(f"the volume of cluster {first}, so it stays Retain" in one.problem for one in report.plan.cautions)


def snapshot_kind(plural: str, kind: str, scope: str) -> Resource:
    """As external-snapshotter has it, without a controller."""
    made = definition(("v1", True))
    made["metadata"] = {
        "name": f"{plural}.snapshot.storage.k8s.io",
        "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"
        },
    }
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    made["spec"] |= {"group": "snapshot.storage.k8s.io", "scope": scope, "names": names}
    made["spec"]["versions"][0]["subresources"] = {"status": {}}
    return made


@pytest.mark.full
def test_a_snapshot_comes_back_as_the_one_that_the_storage_has(restore: Restore) -> None:
    """With its content, which nobody selected. By its claim, the storage would take a new one of the data of now."""
    root, name = "/apis/snapshot.storage.k8s.io/v1", restore.name
    snapshots, contents = restore.path("volumesnapshots", root=root), f"{root}/volumesnapshotcontents"
    restore.api.create(DEFINITIONS, snapshot_kind("volumesnapshots", "VolumeSnapshot", "Namespaced"))
    restore.api.create(DEFINITIONS, snapshot_kind("volumesnapshotcontents", "VolumeSnapshotContent", "Cluster"))
    for path in (snapshots, contents):
        wait_until(lambda path=path: restore.api.is_fine(path), LIMIT, f"{path} is served")  # type: ignore[misc]
    head = {"apiVersion": "snapshot.storage.k8s.io/v1"}
    asked = {"source": {"persistentVolumeClaimName": "data"}}
    one = restore.api.create(snapshots, head | {"kind": "VolumeSnapshot", "metadata": {"name": "s"}, "spec": asked})
    reference = {"name": "s", "namespace": name, "uid": one["metadata"]["uid"]}
    spec = {
        "driver": "none.example",
        "deletionPolicy": "Delete",
        "volumeSnapshotRef": reference,
        "source": {"volumeHandle": "v"},
    }
    restore.api.create(contents, head | {"kind": "VolumeSnapshotContent", "metadata": {"name": name}, "spec": spec})
    restore.api.patch(f"{snapshots}/s/status", {"status": {"boundVolumeSnapshotContentName": name}})
    restore.api.patch(f"{contents}/{name}/status", {"status": {"snapshotHandle": "h"}})
    restore.back_up()
    restore.delete(f"{snapshots}/s")
    restore.delete(f"{contents}/{name}")
    assert list(restore.steps(restore.run())) == [f"VolumeSnapshotContent {name}", f"VolumeSnapshot {name}/s"]
    assert restore.api.get(f"{snapshots}/s")["spec"] == {"source": {"volumeSnapshotContentName": name}}
    found = restore.api.get(f"{contents}/{name}")["spec"]
    assert (found["source"], found["deletionPolicy"]) == ({"snapshotHandle": "h"}, "Retain")
    assert "uid" not in found["volumeSnapshotRef"]
    assert restore.run().summary[0].startswith("nothing to do")
    for kind in ("volumesnapshots", "volumesnapshotcontents"):
        restore.delete(f"{DEFINITIONS}/{kind}.snapshot.storage.k8s.io")


def test_objects_are_restored_into_another_namespace_by_name_and_label(restore: Restore) -> None:
    """The first namespace is not touched. What names it is told, or named anew."""
    for name, tier in (("a", "front"), ("b", "back"), ("c", "front")):
        one = config(name, color="blue")
        one["metadata"]["labels"] = {"tier": tier}
        restore.create("configmaps", one)
    pull = [{"name": "pull"}, {"name": "other"}]
    account = {"metadata": {"name": "ci", "labels": {"tier": "front"}}, "imagePullSecrets": pull}
    restore.create("serviceaccounts", account)
    restore.create("secrets", {"metadata": {"name": "pull"}})
    binding = {
        "metadata": {"name": "ci", "labels": {"tier": "front"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": restore.name}],
    }
    restore.create("rolebindings", binding, "/apis/rbac.authorization.k8s.io/v1")
    restore.back_up()
    into = f"{restore.name}-copy"
    select = {"namespaces": [restore.name], "labels": "tier in (front),!gone"}
    report = restore.run(select=select, into_namespace=[f"{restore.name}={into}"])
    assert set(restore.steps(report)) == {
        f"Namespace {into}",
        f"ServiceAccount {into}/ci",
        f"RoleBinding {into}/ci",
        f"ConfigMap {into}/a",
        f"ConfigMap {into}/c",
    }
    assert report.plan
    words = "restored objects name 2 Secrets that neither the cluster nor this restore has"
    cautions = {one.subject: one.problem for one in report.plan.cautions}
    assert cautions.get("Secret") == f"{words}: {into}/other, {into}/pull"
    assert "ServiceAccount" not in cautions
    bound = restore.api.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{into}/rolebindings/ci")
    assert bound["subjects"][0]["namespace"] == into
    with pytest.raises(Refused, match="has no object of this selection"):
        restore.run(select={"namespaces": [restore.name], "names": ["nobody"]})
    with pytest.raises(Refused, match="there is no backup|has no backup"):
        restore.run(from_cluster="another")


@pytest.mark.full
def test_a_run_that_is_killed_is_run_again(restore: Restore, prefect_server: PrefectServer) -> None:
    """The state is the cluster: the next run plans the rest."""
    for number in range(5):
        restore.create("configmaps", config(f"c{number}", color="blue"))
    restore.back_up()
    for number in range(5):
        restore.delete(restore.path("configmaps", f"c{number}"))
    parameters = {"cluster": restore.site.name, "mode": "apply", "select": {"namespaces": [restore.name]}}
    words = [sys.executable, "-m", "tests.servers.runner", "resources_restore", json.dumps(parameters)]
    environment = os.environ | restore.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    for step in ("before restore objects", "after restore objects"):
        died = subprocess.run([*words, step], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    report = restore.run()
    assert report.summary[0].startswith("nothing to do")
    assert restore.api.get(restore.path("configmaps", "c4"))["data"] == {"color": "blue"}


def test_what_changes_between_plan_and_act_is_told_and_kept(restore: Restore) -> None:
    """Somebody creates, changes or deletes an object right before it is written. The run fails, and says each of them."""
    for name in ("created", "changed", "fine"):
        restore.create("configmaps", config(name, color="blue"))
    restore.back_up()
    select = Select(namespaces=(restore.name,), kinds=("ConfigMap",))
    options = ResourceRestoreOptions(existing="update", force=(f"ConfigMap/{restore.name}/changed",))
    for name in ("created", "fine"):
        restore.delete(restore.path("configmaps", name))
    restore.api.patch(restore.path("configmaps", "changed"), {"data": {"color": "red"}})
    facts = restore_steps.judge_objects.fn(restore.site.name, "latest", select, options)
    restore.create("configmaps", config("created", color="of somebody else"))
    restore.api.patch(restore.path("configmaps", "changed"), {"data": {"color": "green"}})
    done = restore_steps.restore_objects.fn(restore.site.name, facts, select, options, none)
    assert done.created == (f"ConfigMap {restore.name}/fine",)
    told = {one.label: one.problem for one in done.failed}
    assert told[f"ConfigMap {restore.name}/created"].startswith("conflict: others own fields that differ")
    assert told[f"ConfigMap {restore.name}/changed"].startswith("it has changed since the plan was made: data.color")
    assert restore.api.get(restore.path("configmaps", "changed"))["data"] == {"color": "green"}
    proof = restore_steps.prove_objects.fn(restore.site.name, facts, select, options, done)
    assert (proof.same, proof.failed) == (1, ())
    with pytest.raises(NotYet, match="2 objects of the plan failed"):
        summarize_objects(facts, done, Restored(), proof)


def clean(path: str, body: Resource) -> Resource:
    """Without what servers and controllers write."""
    group, _, version = body["apiVersion"].rpartition("/")
    return to_clean(Kind(group, version, body["kind"], path.split("/")[-2], "/namespaces/" in path), body)


@pytest.mark.full
def test_every_kind_of_the_table_comes_back_equal(restore: Restore) -> None:
    """More than forty kinds, deleted and restored; equal by the server's own objects."""
    made = []
    for path, body in examples():
        made.append(f"{path}/{restore.api.create(path, body)['metadata']['name']}")
        if path.endswith("customresourcedefinitions"):
            wait_until(lambda: restore.api.is_fine(KIND_WIDGETS), LIMIT, "the API serves widgets")
    restore.can_decrypt()
    restore.back_up()
    before = {path: restore.api.get(path) for path in made}
    assert len({one["kind"] for one in before.values()}) > 40
    restore.delete(made[0])
    for path in made[1:]:
        if restore.find(path):
            restore.api.delete(path, {"propagationPolicy": "Background"})
    for path in made:
        wait_until(lambda path=path: restore.find(path) is None, LIMIT, f"{path} is gone")  # type: ignore[misc]

    report = restore.run(select={}, skip_failing=True)
    assert not [one for one in report.summary if one.startswith("NOT restored")]
    missing = [path for path in made if restore.find(path) is None]
    assert missing == []
    wrong = {path: differences(clean(path, was), clean(path, restore.api.get(path))) for path, was in before.items()}
    # The LimitRange came after this pod at first, and comes before it in a restore. Its token is a new one.
    limited = wrong.pop(next(path for path in made if path.endswith("/pods/bare")))
    by_admission = (
        "metadata.annotations",
        "spec.containers[0].resources",
        "spec.containers[0].volumeMounts",
        "spec.volumes",
    )
    assert all(one.startswith(by_admission) for one in limited), limited
    told = [f"{path}: {one}" for path, found in wrong.items() for one in found]
    assert not told, "\n".join(told)


def test_a_drill_restores_into_throw_away_namespaces_and_removes_them(
    restore: Restore, prefect_server: PrefectServer
) -> None:
    """Nothing runs there. What a killed drill has left, the next one removes. A broken object is named."""
    selector = {"matchLabels": {"app": "web"}}
    web = {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": selector, "template": pods("web")}}
    restore.create("deployments", web, APPS)
    restore.create("configmaps", config("settings", color="blue"))
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    restore.create("services", {"metadata": {"name": "web"}, "spec": spec})
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "x", "resources": {"requests": {"storage": "1Gi"}}}
    restore.create("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": claim})
    restore.create("pods", {"metadata": {"name": "bare"}, "spec": pods("x")["spec"]})
    restore.back_up()
    parameters = {"cluster": restore.site.name, "namespaces": [restore.name]}
    script = "import tasks.resources_restore.drills as d, os, signal; d.compared = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    words = [
        sys.executable,
        "-c",
        f"{script}; from tests.servers.runner import main; main('resources_restore_drill', {json.dumps(json.dumps(parameters))})",
    ]
    environment = os.environ | restore.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    died = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    (left,) = restore.api.get("/api/v1/namespaces", labelSelector="kube-runbooks.io/drill")["items"]
    assert left["metadata"]["name"].startswith("kube-runbooks-drill-")

    report = resources_restore_drill(restore.site.name, namespaces=(restore.name,))
    assert (
        report.summary[1] == f"3 objects of {restore.name} created, read back and equal; all of them are removed again"
    )
    assert "not tried: 1 object: a pod would run" in report.summary
    assert left["metadata"]["name"] in str(report.done[-1].evidence["removed"])
    assert restore.api.get("/api/v1/namespaces", labelSelector="kube-runbooks.io/drill")["items"] == []
    assert restore.api.get(restore.path("deployments", "web", APPS))["spec"]["replicas"] == 2

    hook = validating_hook(restore.name, "configmaps")
    hook["namespaceSelector"] = {"matchLabels": {"kube-runbooks.io/drill": "true"}}
    hook["objectSelector"] = {"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}
    restore.api.create(HOOKS, {"metadata": {"name": restore.name}, "webhooks": [hook]})
    try:
        with pytest.raises(Refused, match=f"ConfigMap {restore.name}/settings: webhook: .*down.shop.example"):
            resources_restore_drill(restore.site.name, namespaces=(restore.name,))
    finally:
        restore.delete(f"{HOOKS}/{restore.name}")
    assert restore.api.get("/api/v1/namespaces", labelSelector="kube-runbooks.io/drill")["items"] == []


@pytest.mark.full
def test_a_store_that_fails_in_the_middle_is_told_and_the_run_is_run_again(
    restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects that were written stay, and the next run plans the others."""
    restore.create("configmaps", config("a", color="blue"))
    restore.back_up()
    restore.delete(restore.path("configmaps", "a"))
    monkeypatch.setattr(restore_steps.restore_objects, "retries", 0)
    monkeypatch.setattr(restore_steps.judge_objects, "retries", 0)
    with S3Proxy(restore.site.s3.endpoint) as proxy:
        restore.site.write(store={"endpoint": proxy.endpoint})
        proxy.on(method="GET", path=".tar.zst").answer(500, "InternalError")
        with pytest.raises(RunbookError):
            restore.run()
    assert restore.find(restore.path("configmaps", "a")) is None
    restore.site.write(store={"endpoint": restore.site.s3.endpoint})
    restore.run()
    assert restore.api.get(restore.path("configmaps", "a"))["data"] == {"color": "blue"}


def test_a_run_that_is_killed_between_its_passes_finishes_what_it_began(restore: Restore) -> None:
    """An object without its owner, and a volume that is still Retain: the next run recognises both as its own."""
    owner = restore.create("configmaps", config("owner", color="blue"))
    owned = config("a-owned", color="blue")  # comes before its owner in the order
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    owned["metadata"]["ownerReferences"] = [reference]
    restore.create("configmaps", owned)
    restore.back_up()
    for name in ("a-owned", "owner"):
        restore.delete(restore.path("configmaps", name))
    select, options = Select(namespaces=(restore.name,)), ResourceRestoreOptions()
    facts = restore_steps.judge_objects.fn(restore.site.name, "latest", select, options)
    begun = restore_steps._Restore(open_cluster(restore.site.name), facts, select, options, none)  # noqa: SLF001 - the first pass alone
    begun.write([one for one in begun.items if one.target.name == "a-owned"])
    begun.write([one for one in begun.items if one.target.name == "owner"])
    assert "ownerReferences" not in restore.api.get(restore.path("configmaps", "a-owned"))["metadata"]
    report = restore.run()
    (step,) = restore.steps(report).items()
    assert step[0] == f"ConfigMap {restore.name}/a-owned"
    assert step[1].startswith("update: metadata.ownerReferences: nothing -> ")
    uid = restore.api.get(restore.path("configmaps", "owner"))["metadata"]["uid"]
    found = restore.api.get(restore.path("configmaps", "a-owned"))["metadata"]["ownerReferences"]
    assert [one["uid"] for one in found] == [uid]
    assert restore.run().summary[0].startswith("nothing to do")


@pytest.mark.full
def test_a_thousand_objects_come_back(restore: Restore, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the seconds of each step; nothing is asserted about them."""
    text = "x" * 1000
    with ThreadPoolExecutor(8) as pool:
        bodies = (config(f"c{number}", text=text) for number in range(1000))
        list(pool.map(lambda body: restore.create("configmaps", body), bodies))
    restore.back_up()
    restore.delete(f"{CORE}/namespaces/{restore.name}")
    report = restore.run()
    took = {one.step: round(one.took.total_seconds(), 1) for one in report.done}
    with capsys.disabled():
        print("\n1,001 objects restored:", took, report.summary)
    assert report.summary[1] == "read back: 1001 objects as the backup has them"
