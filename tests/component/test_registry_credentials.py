"""`registry_credentials` on a real API server, a registry with passwords, and nodes behind a real sshd: from a new Secret to its rotation."""

import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.access_audit import access_audit
from flows.registry_credentials import registry_credentials
from tasks.access.pulls import NOBODY, look_at_pulls
from tasks.cluster import close_clusters, open_cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Report
from tasks.core.secret_forms import forms_of
from tasks.registry_credentials import steps
from tasks.registry_credentials.models import CredentialFacts, CredentialOptions
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.registry import MISSING, REASON, Registry
from tests.servers.shop import LIMIT, Shop
from tests.servers.site import Site
from tests.servers.sshd import Sshd

pytestmark = [pytest.mark.usefixtures("prefect"), pytest.mark.skipif(bool(MISSING), reason=REASON)]

ADA, BOB = "correct-horse-battery", "staple-hopper-ladder"
NODES = ("w1", "w2")
ROOT = Path(__file__).parents[2]

ON_NODE = """\
#!/bin/sh
echo "$SSH_ORIGINAL_COMMAND" >> {folder}/commands
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


def none() -> None:
    """The lock is ours."""


def readable(commands: str) -> str:
    """With the scripts that are in them, which are sent in base64."""
    words = re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", commands)
    return "\n".join([commands, *(base64.b64decode(f"{one}==").decode(errors="replace") for one in words)])


def held(*credentials: tuple[str, str, str]) -> dict[str, Any]:
    """The data of a Secret: registries, users and passwords."""
    auths = {registry: {"username": user, "password": word} for registry, user, word in credentials}
    return {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}


class Rotation:
    """The runbook, its policy, and the namespace in which a test looks."""

    def __init__(self, site: Site, shop: Shop, registry: Registry) -> None:
        self.site, self.shop, self.registry, self.api = site, shop, registry, shop.api
        self.password = site.folder / "registry-password"
        self.policy()
        self.let("ada", ADA)

    def policy(self, **changes: object) -> None:
        """Write it."""
        entry = {
            "name": "shop-pull",
            "registry": self.registry.address,
            "namespaces": [self.shop.name],
            "images": [self.registry.image],
            "username": "ada",
            "password": f"file:{self.password}",
        }
        folder = self.site.clusters / self.site.name
        folder.mkdir(exist_ok=True)
        (folder / "access.yaml").write_text(yaml.safe_dump({"pull_secrets": [entry | changes]}))

    def let(self, user: str, password: str) -> None:
        """The credential of the policy from now on."""
        self.policy(username=user)
        self.password.touch(mode=0o600)
        self.password.write_text(f"{password}\n")

    def run(self, mode: Mode = Mode.APPLY, **options: object) -> Report:
        """The runbook."""
        return registry_credentials(
            self.site.name, self.registry.address, mode, CredentialOptions.model_validate(options)
        )

    def facts(self) -> CredentialFacts:
        """What it would observe."""
        return steps.observe_credentials(self.site.name, self.registry.address)

    def path(self, kind: str, name: str = "") -> str:
        """In the namespace."""
        return f"/api/v1/namespaces/{self.shop.name}/{kind}{f'/{name}' if name else ''}"

    def ours(self) -> list[str]:
        """Names of our Secrets, oldest first."""
        found = self.api.get(self.path("secrets"), labelSelector="kube-runbooks.io/pull-secret=shop-pull")["items"]
        return [one["metadata"]["name"] for one in sorted(found, key=lambda one: one["metadata"]["uid"])]

    def account(self) -> list[str]:
        """What new pods pull with."""
        found = self.api.get(self.path("serviceaccounts", "default"))
        return [one["name"] for one in found.get("imagePullSecrets", [])]

    def give(self, name: str, data: Resource, **more: object) -> None:
        """A Secret of somebody else."""
        body = {"metadata": {"name": name, **more}, "type": "kubernetes.io/dockerconfigjson", "data": data}
        self.api.create(self.path("secrets"), body)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """It lets ada and bob in; a test that changes that changes it back."""
    with Registry(tmp_path_factory.mktemp("registry") / "data", {"ada": ADA, "bob": BOB}) as made:
        yield made


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Sshd]:
    """Writes down each command that it is given."""
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "run").write_text(ON_NODE.format(folder=folder))
    (folder / "run").chmod(0o755)
    with Sshd(tmp_path / "sshd", f"ForceCommand {folder}/run") as sshd:
        yield sshd


@pytest.fixture
def rotation(site: Site, shop: Shop, two_workers: ControlPlane, registry: Registry, node: Sshd) -> Rotation:
    """All three nodes of the cluster are this machine."""
    site.through(node)
    site.profile["nodes"] += [{"name": name, "address": "127.0.0.1", "port": node.port} for name in NODES]
    site.use_api(two_workers.kubeconfig())
    return Rotation(site, shop, registry)


def test_a_credential_arrives_and_is_rotated_while_pods_run(
    rotation: Rotation, prefect: PrefectServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Old Secrets go when nothing names them any more. The passwords are in the Secrets, and nowhere else."""
    rotation.give("theirs", held(("ghcr.io", "eve", "of-somebody-else")))
    rotation.api.patch(rotation.path("serviceaccounts", "default"), {"imagePullSecrets": [{"name": "theirs"}]})
    plan = rotation.run(Mode.PLAN)
    assert (rotation.ours(), rotation.account()) == ([], ["theirs"])
    assert plan.plan
    assert [one.act.partition(" ")[0] for one in plan.plan.steps] == ["create", "imagePullSecrets:"]

    report = rotation.run()
    (first,) = rotation.ours()
    assert rotation.account() == ["theirs", first]
    assert f"proven: a pull of {rotation.registry.image} from cp1, w1, w2" in report.summary
    stored = rotation.api.get(rotation.path("secrets", first))
    auths = json.loads(base64.b64decode(stored["data"][".dockerconfigjson"]))["auths"]
    assert auths[rotation.registry.address]["password"] == ADA
    assert rotation.run().summary[0].startswith("nothing to do")
    rotation.shop.run("deployment/web")
    assert [one["spec"]["imagePullSecrets"] for one in rotation.shop.pods("deployment/web")] == [
        [{"name": "theirs"}, {"name": first}]
    ] * 2

    rotation.let("bob", BOB)
    report = rotation.run()
    (second,) = set(rotation.ours()) - {first}
    assert rotation.account() == ["theirs", second]
    (kept,) = [one for one in report.summary if one.startswith("NOT ")]
    assert kept.startswith(
        f"NOT removed: old Secret {rotation.shop.name}/{first}: named by {rotation.shop.name}/pod/web-"
    )
    assert f"the old credential of {rotation.shop.name}/{first} still works at the registry" in report.summary
    assert report.summary[-1].startswith("next: kube-runbooks run registry-credentials")

    rotation.registry.let_in({"bob": BOB})
    rotation.registry.restart()
    rotation.shop.annotate_pods("deployment/web", release="2")
    rotation.shop.wait_available("deployment/web", 2)
    wait_until(lambda: len(rotation.api.get(rotation.shop.pods_path)["items"]) == 2, LIMIT, "the old pods are gone")
    report = rotation.run()
    refused = f"the old credential of {rotation.shop.name}/{first} is refused now: http"
    assert any(one.startswith(refused) for one in report.summary)
    assert rotation.ours() == [second]
    assert report.summary[0].endswith("; 1 old Secret removed")
    rotation.registry.let_in({"ada": ADA, "bob": BOB})
    rotation.registry.restart()

    commands = readable((tmp_path / "node" / "commands").read_text())
    assert "curl --config -" in commands
    database = b"".join(one.read_bytes() for one in prefect.database.parent.glob("prefect.db*"))
    with closing(sqlite3.connect(prefect.database)) as opened:
        assert opened.execute("SELECT count(*) FROM flow_run WHERE name LIKE 'registry-%'").fetchone()[0] >= 5
    for word in (ADA, BOB):
        for form in forms_of(word):
            assert not any(form in text for text in (*rotation.site.texts(), caplog.text, commands))
            assert form.encode() not in database


def test_what_is_in_the_way_refuses_the_run_before_anything_is_touched(rotation: Rotation) -> None:
    """All reasons at once. Secrets of others are named with their owner, and stay."""
    address, name = rotation.registry.address, rotation.shop.name
    both = held((address, "ada", "of-last-year"), ("ghcr.io", "eve", "of-somebody-else"))
    rotation.give("chart", both, annotations={"meta.helm.sh/release-name": "shop"})
    rotation.let("ada", "not-her-password")
    rotation.policy(namespaces=[name, "nowhere"], service_accounts=["default", "builder"])
    with pytest.raises(Refused) as error:
        rotation.run()
    problems = error.value.problem
    assert (
        f"{rotation.registry.image} cannot be pulled with the credential of the policy, asked from cp1, w1, w2: http"
        in problems
    )
    assert "the namespace nowhere does not exist" in problems
    assert f"the ServiceAccount {name}/builder does not exist" in problems
    (report,) = rotation.site.reports()
    told = {one["subject"]: one["problem"] for one in report["plan"]["cautions"]}
    assert told[f"{name}/chart"].startswith(f"it has another credential of {address}, and has 2 registries, and stays")
    assert "it is of Helm" in told[f"{name}/chart"]
    rotation.policy(images=[f"{address}/shop/other:1"])
    rotation.password.write_text(ADA)
    with pytest.raises(Refused, match="asked from cp1, w1, w2: .* 404 MANIFEST_UNKNOWN"):
        rotation.run()
    rotation.password.write_text(f"{ADA}\nand more")
    with pytest.raises(Refused, match="has a line break"):
        rotation.run()
    with pytest.raises(Refused, match="has no credential of quay.io: it has localhost"):
        registry_credentials(rotation.site.name, "quay.io", Mode.PLAN)
    assert (rotation.ours(), rotation.account()) == ([], [])


@pytest.mark.full
def test_a_run_that_is_killed_between_its_steps_is_run_again(rotation: Rotation, prefect_server: PrefectServer) -> None:
    """First nothing names the new Secret, then nothing names the old one: each next run does the rest."""
    rotation.run()
    (first,) = rotation.ours()
    rotation.let("bob", BOB)
    parameters = {"cluster": rotation.site.name, "registry": rotation.registry.address, "mode": "apply"}
    words = [sys.executable, "-m", "tests.servers.runner", "registry_credentials", json.dumps(parameters)]
    environment = os.environ | rotation.site.environment | {"PREFECT_API_URL": prefect_server.api_url}

    def die(step: str) -> None:
        died = subprocess.run([*words, step], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
        assert not any(form in died.stdout + died.stderr for form in forms_of(BOB))

    die("before switch accounts")
    (second,) = set(rotation.ours()) - {first}
    uid = rotation.api.get(rotation.path("secrets", second))["metadata"]["uid"]
    assert rotation.account() == [first]
    die("before remove old secrets")
    assert rotation.account() == [second]
    assert first in rotation.ours()
    report = rotation.run()
    assert rotation.ours() == [second]
    assert rotation.api.get(rotation.path("secrets", second))["metadata"]["uid"] == uid
    assert "0 Secrets created, 1 present before" in report.summary[0]
    rotation.policy(username="bob", previous_password=f"file:{rotation.site.folder / 'previous'}")
    (rotation.site.folder / "previous").write_text(ADA)
    (rotation.site.folder / "previous").chmod(0o600)
    told = rotation.run(Mode.PLAN).summary
    assert told[0].startswith("nothing to do")
    assert told[1].startswith("the previous password is refused now: http")


def test_what_others_change_meanwhile_is_kept(rotation: Rotation) -> None:
    """A list that changed is read again. A Secret that somebody created again is not the one that may go."""
    facts = rotation.facts()
    steps.create_secrets.fn(rotation.site.name, facts, "run", none)
    (first,) = rotation.ours()

    for names in (["theirs"], ["theirs", "also-theirs"]):

        def interfere(names: list[str] = names) -> None:
            path = rotation.path("serviceaccounts", "default")
            rotation.api.patch(path, {"imagePullSecrets": [{"name": name} for name in names]})

        with pytest.raises(NotYet, match="changed while its pull Secrets were switched"):
            steps.switch_accounts.fn(rotation.site.name, facts, interfere)
    steps.switch_accounts.fn(rotation.site.name, facts, none)
    assert rotation.account() == ["theirs", "also-theirs", first]

    rotation.let("bob", BOB)
    with pytest.raises(Refused, match="the access policy has other credentials than the plan"):
        steps.create_secrets.fn(rotation.site.name, facts, "run", none)
    facts = rotation.facts()
    steps.create_secrets.fn(rotation.site.name, facts, "run", none)
    kept = steps.remove_old_secrets.fn(rotation.site.name, facts, none)
    assert kept.kept == (f"{rotation.shop.name}/{first}: named by {rotation.shop.name}/serviceaccount/default",)
    steps.switch_accounts.fn(rotation.site.name, facts, none)

    def make_anew() -> None:
        rotation.api.delete(rotation.path("secrets", first))
        rotation.give(first, held(("ghcr.io", "eve", "of-somebody-else")))

    kept = steps.remove_old_secrets.fn(rotation.site.name, facts, make_anew)
    assert kept.removed == ()
    assert kept.kept[0].startswith(f"{rotation.shop.name}/{first}: another Secret has its name now")
    assert rotation.api.is_fine(rotation.path("secrets", first))


@pytest.mark.full
def test_a_namespace_that_is_new_and_pods_that_name_a_secret_themselves_are_told(rotation: Rotation) -> None:
    """A pattern takes namespaces as they are at the plan; the look afterwards finds others. A CronJob keeps the old Secret."""
    name = rotation.shop.name
    rotation.policy(namespaces=[f"{name}*"])
    rotation.run()
    (first,) = rotation.ours()
    pod = {
        "restartPolicy": "Never",
        "imagePullSecrets": [{"name": first}],
        "containers": [{"name": "main", "image": "i:1"}],
    }
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
    rotation.api.create(f"/apis/batch/v1/namespaces/{name}/cronjobs", {"metadata": {"name": "nightly"}, "spec": spec})
    rotation.let("bob", BOB)
    rotation.policy(namespaces=[f"{name}*"], username="bob")
    report = rotation.run()
    assert report.plan
    told = {one.subject: one.problem for one in report.plan.cautions}
    assert told[f"{name}/{first}"] == f"it stays, because others name it: {name}/cronjob/nightly"
    assert f"NOT removed: old Secret {name}/{first}: named by {name}/cronjob/nightly" in report.summary
    new = Shop(rotation.shop.cluster, f"{name}-new")
    try:
        left = steps.look_again.fn(rotation.site.name, rotation.registry.address)
        assert [one.partition(":")[0] for one in left.left] == [
            f"{name}-new/{set(rotation.ours()).difference([first]).pop()}",
            f"serviceaccount {name}-new/default",
        ]
    finally:
        new.remove()


def test_a_registry_that_is_open_or_silent_proves_nothing(rotation: Rotation, tmp_path: Path) -> None:
    """An image for everybody is a caution. A registry that does not answer refuses, unless that is allowed."""
    with Registry(tmp_path / "open", {}) as anybody:
        rotation.policy(registry=anybody.address, images=[anybody.image])
        report = registry_credentials(rotation.site.name, anybody.address, Mode.PLAN)
        assert report.plan
        assert any("can be pulled without a credential" in one.problem for one in report.plan.cautions)
    with pytest.raises(Refused, match="could not be asked for from cp1, w1, w2: .* no answer: curl"):
        registry_credentials(rotation.site.name, anybody.address, Mode.PLAN)
    rotation.site.profile["nodes"].pop()
    rotation.site.write()
    report = registry_credentials(rotation.site.name, anybody.address, Mode.PLAN, CredentialOptions(allow_unasked=True))
    assert report.plan
    assert any("is not proven from cp1, w1: " in one.problem for one in report.plan.cautions)
    assert any("w2: not in nodes of the profile" in one.problem for one in report.plan.cautions)


def test_an_audit_finds_pull_secrets_that_do_not_work(rotation: Rotation) -> None:
    """Those that are missing or empty, and those that the registry refuses, asked for an image that a pod pulls with them."""
    name, address = rotation.shop.name, rotation.registry.address
    rotation.give("fine", held((address, "ada", ADA)))
    rotation.give("stale", held((address, "ada", "of-last-year")))
    rotation.give("empty", {".dockerconfigjson": base64.b64encode(b"{}").decode()})
    rotation.give("unused", held((address, "ada", "of-last-year")))
    names = [{"name": one} for one in ("fine", "stale", "empty", "gone")]
    rotation.api.patch(rotation.path("serviceaccounts", "default"), {"imagePullSecrets": names})
    rotation.shop.run("deployment/web", 1, pod={"containers": [{"name": "main", "image": rotation.registry.image}]})
    with suppress(Refused):  # other tests leave nothing; this machine has kubelets that do not answer
        access_audit(rotation.site.name)
    (done,) = [one for one in rotation.site.reports()[-1]["done"] if one["step"] == "audit access"]
    found = {one["id"]: one for one in done["evidence"]["findings"] if one["check"] == "pull-secret"}
    assert set(found) == {f"pull-secret:{name}/{one}" for one in ("stale", "empty", "gone")}
    assert (
        f"{address} refuses it for {rotation.registry.image}, asked from node "
        in found[f"pull-secret:{name}/stale"]["problem"]
    )
    assert found[f"pull-secret:{name}/empty"]["problem"] == "it has no registry"
    assert "the kubelet pulls without it, and says nothing" in found[f"pull-secret:{name}/gone"]["problem"]
    assert not any("of-last-year" in text for text in rotation.site.texts())
    profile = rotation.site.profile
    del profile["ssh"], profile["nodes"], profile["etcd"]["on_node"]
    for endpoint in profile["etcd"]["endpoints"]:
        del endpoint["node"]
    rotation.site.write()
    close_clusters()
    silent = look_at_pulls(open_cluster(rotation.site.name))
    assert silent.denied == ()
    assert NOBODY in silent.not_checked
