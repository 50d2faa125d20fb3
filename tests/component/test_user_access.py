"""`user_access` and `user_revoke` on a real API server: what was given works, nothing else does, and it can be taken back."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from pyrage import x25519

from flows.user_access import user_access
from flows.user_revoke import user_revoke
from tasks.access.observe import read_resources
from tasks.access.policy.declared import declare
from tasks.access.policy_file import read_policy
from tasks.backup.archive import unseal
from tasks.check.policy.rights import RIGHTS
from tasks.cluster import open_cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tasks.user_access import steps
from tasks.user_access.models.credentials import Granted, People
from tasks.user_access.models.grant import GrantOptions
from tasks.user_access.models.requests import Expected
from tasks.user_access.probes.kubeconfig import new_request
from tasks.user_access.probes.requests import REQUESTS, request_body
from tasks.user_access.probes.tokens import labels_of
from tasks.user_access.revoke import StillHasAccess
from tasks.user_access.signing import approve
from tests.facts import access as facts
from tests.facts.access import cluster_binding, group
from tests.servers.api_proxy import ApiProxy
from tests.servers.binaries import ROOT
from tests.servers.certified import SigningControlPlane
from tests.servers.etcd import EtcdCluster
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.proxies import Hold, S3Proxy
from tests.servers.rbac import RBAC
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

IDENTITY = x25519.Identity.generate()
"""The key of ada. It never leaves the test."""


BOB = People(requested_by="Ada", approved_by="Bob", run_id="r1")
"""An approval by another person; `test_user_access_approval.py` has real ones."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all, whose controllers sign certificates, and which knows its own address."""
    with SigningControlPlane(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


class Access:
    """A site, its policy, and kubectl with what a user got."""

    def __init__(self, cluster: ControlPlane, site: Site, folder: Path) -> None:
        self.cluster, self.site, self.folder = cluster, site, folder
        self.name = site.name

    def policy(self, *, can: str = "pods", **access: str) -> None:
        """What ada may do, and how ada logs in."""
        user = {
            "name": "ada",
            "groups": ["dev"],
            "can": [{"verbs": ["get", "list"], "resources": [can], "namespaces": ["shop"]}],
            "cannot": [{"verbs": ["get"], "resources": ["secrets"]}, {"verbs": ["create"], "resources": ["pods/exec"]}],
            "access": {"recipient": str(IDENTITY.to_public()), "lifetime": "1h", **access},
        }
        folder = self.site.clusters / self.name
        folder.mkdir(exist_ok=True)
        (folder / "access.yaml").write_text(yaml.safe_dump({"users": [user], "groups": [{"name": "dev"}]}))

    def give(self, people: People, options: GrantOptions = GrantOptions(requested_by="Ada")) -> Granted:  # noqa: B008 - frozen
        """The step alone: without an approval, and without its neighbours."""
        facts = steps.observe_user.fn(self.name, "ada", options)
        return steps.give_credential.fn(self.name, facts, options, people, lambda: None)

    def objects(self) -> None:
        """Make what the policy declares."""
        policy = read_policy(self.site.clusters, self.name)
        assert policy
        for one in declare(policy, read_resources(open_cluster(self.name).kube))[0]:
            self.cluster.kubectl("apply", "-f", "-", text=json.dumps(one.body))

    def grant(self, **options: Any) -> Report:  # noqa: ANN401 - fields of the options
        """Without an approval."""
        return user_access(self.name, "ada", mode=Mode.APPLY, options=GrantOptions(**options))

    def revoke(self) -> Report:
        """Without an approval."""
        return user_revoke(self.name, "ada", mode=Mode.APPLY)

    def kept(self, ending: str) -> list[str]:
        """Keys in the bucket of ada's credentials."""
        return [key for key in self.site.keys(f"{self.name}/access/ada/") if key.endswith(ending)]

    def entries(self) -> list[dict[str, Any]]:
        """What the bucket remembers, the oldest first."""
        return [json.loads(self.site.read(key)) for key in sorted(self.kept(".json"))]

    def kubeconfig(self) -> Path:
        """The newest kubeconfig, as ada decrypts it."""
        path = self.folder / "ada.conf"
        path.write_bytes(unseal(self.site.read(max(self.kept(".age"))), str(IDENTITY)))
        return path

    def kubectl(self, config: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """What kubectl says to ada."""
        command: list[str | Path] = [self.cluster.binaries / "kubectl", f"--kubeconfig={config}", *words]
        environment = {"HOME": str(self.folder), "PATH": os.defpath}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def secrets(self) -> list[str]:
        """Uids of the Secrets to which tokens are bound."""
        items = self.cluster.api.get("/api/v1/namespaces/kube-runbooks-access/secrets")["items"]
        return [one["metadata"]["uid"] for one in items]


@pytest.fixture
def access(cluster: ControlPlane, new_site: Callable[[EtcdCluster], Site], tmp_path: Path) -> Iterator[Access]:
    """A bucket of its own, and no ada when it ends."""
    site = new_site(cluster.etcd)
    site.use_api(cluster.kubeconfig())
    made = Access(cluster, site, tmp_path)
    made.policy()
    yield made
    for kind in ("-n=kube-runbooks-access secret,serviceaccount --all", "-n=shop role,rolebinding --all"):
        cluster.kubectl("delete", "--ignore-not-found", *kind.split())


def test_a_token_does_what_the_policy_says_until_it_is_taken_back(access: Access) -> None:
    """With real kubectl: allowed, denied elsewhere, then 401. A second grant replaces the first after its proof."""
    report = access.grant()
    assert report.outcome is Outcome.COMPLETED
    config = access.kubeconfig()
    assert access.kubectl(config, "get", "pods", "-n", "shop").returncode == 0
    for words in (("get", "secrets", "-n", "shop"), ("get", "pods", "-n", "default"), ("get", "nodes")):
        assert "Forbidden" in access.kubectl(config, *words).stderr
    assert f"logged in at {access.cluster.url} as system:serviceaccount:kube-runbooks-access:ada" in report.summary[2]
    assert "2 allowed and 4 denied, as the policy wants; without the credential: 40" in report.summary[2]
    [first] = access.entries()
    assert first["credential_id"].startswith("JTI=")
    assert [first["secret_uid"]] == access.secrets()
    assert first["expires_at"] > first["issued_at"]
    hidden = yaml.safe_load(config.read_text())["users"][0]["user"]["token"]

    access.grant()
    first, second = access.entries()
    assert [second["secret_uid"]] == access.secrets()
    assert (bool(first["taken_at"]), second["taken_at"]) == (True, None)
    assert access.kept(".age") == [second["sealed"]]
    assert_refused(access, config)
    config = access.kubeconfig()
    assert access.kubectl(config, "get", "pods", "-n", "shop").returncode == 0
    kept = access.grant(keep_previous=True)
    assert kept.outcome is Outcome.COMPLETED
    assert len(access.secrets()) == 2
    assert access.kubectl(config, "get", "pods", "-n", "shop").returncode == 0

    revoked = access.revoke()
    assert revoked.outcome is Outcome.COMPLETED
    assert (
        "3 logins with new tokens of the same ServiceAccount worked before, and are answered by 401 now"
        in revoked.summary
    )
    assert [one["taken_by"] for one in access.entries()[1:]] == [revoked.run_id] * 2
    assert (access.secrets(), access.kept(".age")) == ([], [])
    assert_refused(access, config)
    assert access.cluster.kubectl("get", "rolebindings", "-n", "shop", "-o", "name") == ""
    assert access.revoke().outcome is Outcome.SKIPPED
    assert not any(hidden in text for text in access.site.texts())


def test_a_token_that_ended_without_a_note_gets_one(access: Access) -> None:
    """As after a run that was killed between the removal of a Secret and the note about it."""
    access.grant()
    secrets = "/api/v1/namespaces/kube-runbooks-access/secrets"
    [secret] = access.cluster.api.get(secrets)["items"]
    access.cluster.api.delete(f"{secrets}/{secret['metadata']['name']}")
    again = access.grant()
    first, second = access.entries()
    assert (first["taken_by"], second["taken_at"]) == (again.run_id, None)
    assert access.kept(".age") == [second["sealed"]]


def assert_refused(access: Access, config: Path) -> None:
    """kubectl is answered by 401, at the latest when the API server forgets what it knew of the token."""
    words = ("get", "pods", "-n", "shop")
    wait_until(lambda: "Unauthorized" in access.kubectl(config, *words).stderr, 30, "kubectl is answered by 401")


def test_a_login_that_can_too_much_or_too_little_gets_nothing(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much is refused before anything is made. What is seen only after the login takes the token back at once."""
    everything = cluster_binding("hole", "cluster-admin", group("system:serviceaccounts:kube-runbooks-access"))
    path = f"{RBAC}/clusterrolebindings"
    access.cluster.api.create(path, everything)
    try:
        with pytest.raises(
            Refused, match=r"4 cells of the matrix cannot hold: get secrets is allowed \(RBAC: allowed by"
        ):
            access.grant()
    finally:
        access.cluster.api.delete(f"{path}/hole")
    access.grant()
    monkeypatch.setattr("tasks.user_access.proof.LIMIT", timedelta())
    before = access.secrets()
    access.cluster.api.delete(f"{RBAC}/namespaces/shop/roles/kube-runbooks:user:ada")
    people = People(run_id="r1")
    with pytest.raises(
        NotYet, match=r"2 of 6 cells fail: get pods in shop is denied.*; the token was taken back: Secret"
    ):
        access.give(people)
    assert access.secrets() == before
    assert len(access.entries()) == 1


@pytest.mark.full
def test_a_run_that_is_killed_before_the_delivery_is_run_again(access: Access, prefect_server: PrefectServer) -> None:
    """It leaves a Secret whose token nobody has. The next run removes it, and delivers its own."""
    access.objects()
    parameters = {"cluster": access.name, "user": "ada", "mode": "apply"}
    with S3Proxy(access.site.s3.endpoint) as proxy:
        access.site.write(store={"endpoint": proxy.endpoint})
        words = [sys.executable, "-m", "tests.servers.runner", "user_access", json.dumps(parameters)]
        environment = os.environ | access.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
        held = Hold(proxy.on(method="PUT", path=r"/access/ada/.*\.age"), 120)
        run = subprocess.Popen(words, env=environment, cwd=ROOT)
        with held:
            run.kill()
        assert run.wait(30) == -signal.SIGKILL
    access.site.write(store={"endpoint": access.site.s3.endpoint})
    [left] = access.secrets()
    assert access.entries() == []
    report = access.grant()
    assert [one for one in report.summary if one.startswith("left by interrupted runs, and removed: ")]
    [entry] = access.entries()
    assert access.secrets() == [entry["secret_uid"]]
    assert left != entry["secret_uid"]
    assert access.kubectl(access.kubeconfig(), "get", "pods", "-n", "shop").returncode == 0


def test_a_revocation_that_is_killed_between_two_deletions_is_run_again(
    access: Access, prefect_server: PrefectServer
) -> None:
    """The binding is gone and the token still logs in, with nothing to do. The next run removes the rest, and proves it."""
    access.grant()
    config = access.kubeconfig()
    parameters = {"cluster": access.name, "user": "ada", "mode": "apply"}
    with ApiProxy(access.cluster) as proxy:
        access.site.use_api(access.cluster.kubeconfig().replace(access.cluster.url, proxy.endpoint))
        words = [sys.executable, "-m", "tests.servers.runner", "user_revoke", json.dumps(parameters)]
        environment = os.environ | access.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
        held = Hold(proxy.on(method="DELETE", path="/namespaces/kube-runbooks-access/secrets/"), 120)
        run = subprocess.Popen(words, env=environment, cwd=ROOT)
        with held:
            run.kill()
            assert run.wait(30) == -signal.SIGKILL
            assert access.cluster.kubectl("get", "rolebindings", "-n", "shop", "-o", "name") == ""
            assert len(access.secrets()) == 1
            assert "Forbidden" in access.kubectl(config, "get", "pods", "-n", "shop").stderr
            proxy.refuse()
    access.site.use_api(access.cluster.kubeconfig())
    assert [one["taken_at"] for one in access.entries()] == [None]
    revoked = access.revoke()
    assert revoked.outcome is Outcome.COMPLETED
    assert (access.secrets(), access.kept(".age")) == ([], [])
    assert [one["taken_by"] for one in access.entries()] == [revoked.run_id]
    assert_refused(access, config)
    assert access.revoke().outcome is Outcome.SKIPPED


def rules_of(runbook: str) -> list[tuple[str, dict[str, Any]]]:
    """The rights that `check` asks for: a namespace, or none, and a rule."""
    found: list[tuple[str, dict[str, Any]]] = []
    for one in RIGHTS[runbook]:
        made = {"verbs": [one.verb], "apiGroups": [one.group], "resources": [one.resource]}
        found.append((one.namespace, made | ({"resourceNames": [one.name]} if one.name else {})))
    return found


def test_the_rights_that_check_asks_for_are_enough(access: Access) -> None:
    """For a grant by token, one by certificate, and their revocation; by a user who has no other right."""
    access.objects()
    api = access.cluster.api
    made: list[str] = []
    for runbook in ("user_access", "user_revoke"):
        who, rules = facts.user(runbook), rules_of(runbook)
        for namespace in sorted({where for where, _ in rules}):
            inside = [one for where, one in rules if where == namespace]
            root, kind = (f"{RBAC}/namespaces/{namespace}", "Role") if namespace else (RBAC, "ClusterRole")
            of = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": runbook}
            kinds = f"{kind.lower()}s", f"{kind.lower()}bindings"
            api.create(f"{root}/{kinds[0]}", {"metadata": {"name": runbook}, "rules": inside})
            api.create(f"{root}/{kinds[1]}", {"metadata": {"name": runbook}, "roleRef": of, "subjects": [who]})
            made += [f"{root}/{one}/{runbook}" for one in reversed(kinds)]

    def act_as(runbook: str) -> None:
        access.site.use_api(access.cluster.kubeconfig(access.cluster.user(runbook)))

    try:
        act_as("user_access")
        assert access.grant().outcome is Outcome.COMPLETED
        assert access.grant().outcome is Outcome.COMPLETED
        act_as("user_revoke")
        assert access.revoke().outcome is Outcome.COMPLETED
        access.policy(credential="certificate")
        access.site.use_api(access.cluster.kubeconfig())
        access.objects()
        act_as("user_access")
        access.give(BOB)
        assert "Forbidden" not in access.kubectl(access.kubeconfig(), "get", "pods", "-n", "shop").stderr
        act_as("user_revoke")
        assert access.revoke().outcome is Outcome.COMPLETED
    finally:
        for path in made:
            api.delete(path)


@pytest.mark.full
def test_a_certificate_ends_by_itself(
    tmp_path_factory: pytest.TempPathFactory, new_site: Callable[[EtcdCluster], Site], tmp_path: Path
) -> None:
    """The cluster signs for a minute at most. kubectl works until then, and is answered by 401 afterwards."""
    with SigningControlPlane(tmp_path_factory.mktemp("short"), "--cluster-signing-duration=60s") as cluster:
        site = new_site(cluster.etcd)
        site.use_api(cluster.kubeconfig())
        access = Access(cluster, site, tmp_path)
        access.policy(credential="certificate")
        access.objects()
        granted = access.give(BOB)
        assert granted.entry.expires_at - granted.entry.issued_at <= timedelta(minutes=1)
        config, words = access.kubeconfig(), ("get", "pods", "-n", "shop")
        assert access.kubectl(config, *words).returncode == 0
        wait_until(lambda: access.kubectl(config, *words).returncode, 120, "kubectl is refused")
        assert datetime.now(UTC) >= granted.entry.expires_at
        assert "must be logged in to the server" in access.kubectl(config, *words).stderr
        revoked = access.revoke()
        assert revoked.outcome is Outcome.COMPLETED
        assert not any("stays valid" in one for one in revoked.summary)


def test_a_certificate_is_what_the_policy_says_and_stays_valid(access: Access) -> None:
    """Signed, checked, proven with real kubectl. A revocation takes its rights, and says what it can still do."""
    access.policy(credential="certificate")
    with pytest.raises(Refused, match="a certificate cannot be taken back, so another person has to approve it"):
        access.grant(requested_by="Ada")
    access.objects()
    granted = access.give(BOB)
    config = access.kubeconfig()
    assert access.kubectl(config, "get", "pods", "-n", "shop").returncode == 0
    assert "Forbidden" in access.kubectl(config, "get", "secrets", "-n", "shop").stderr
    user = yaml.safe_load(config.read_text())["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(b64decode(user["client-certificate-data"]))
    assert certificate.subject.rfc4514_string() == "CN=ada,O=dev"
    assert certificate.not_valid_after_utc == granted.entry.expires_at
    assert granted.entry.expires_at - granted.entry.issued_at <= timedelta(hours=1)
    assert granted.entry.credential_id == f"X509SHA256={certificate.fingerprint(SHA256()).hex()}"
    assert access.cluster.kubectl("get", "csr", "-o", "name") == ""

    revoked = access.revoke()
    assert revoked.outcome is Outcome.COMPLETED
    assert f"certificate {granted.entry.serial} stays valid until" in revoked.summary[-1]
    assert "it can only do what everybody can who has logged in" in revoked.summary[-1]
    assert "Forbidden" in access.kubectl(config, "get", "pods", "-n", "shop").stderr
    path, reads = f"{RBAC}/clusterrolebindings", cluster_binding("of-dev", "cluster-admin", group("dev"))
    access.cluster.api.create(path, reads)
    access.objects()
    try:
        with pytest.raises(
            StillHasAccess, match=r"still has ClusterRoleBinding of-dev of ClusterRole cluster-admin; among it"
        ):
            access.revoke()
    finally:
        access.cluster.api.delete(f"{path}/of-dev")


def test_a_request_of_the_user_is_signed_and_the_key_is_never_seen(access: Access) -> None:
    """The kubeconfig names the file of the key. A request for somebody else, or for more, is refused."""
    access.policy(credential="certificate")
    access.objects()
    for user, groups, told in (
        ("bob", ("dev",), "CN is the user: no, its CN is bob, not ada"),
        ("ada", ("dev", "ops"), "O is exactly the groups of the policy: no, its O is dev, ops, not dev"),
    ):
        options = GrantOptions(request=new_request(user, groups)[1].decode(), requested_by="Ada")
        with pytest.raises(Refused, match=told):
            user_access(access.name, "ada", mode=Mode.PLAN, options=options)
    key, request = new_request("ada", ("dev",))
    asked = GrantOptions(request=request.decode(), requested_by="Ada")
    granted = access.give(BOB, asked)
    assert (granted.proof, granted.cells) == (None, 6)
    config = access.kubeconfig()
    assert b"PRIVATE" not in config.read_bytes()
    (config.parent / "client.key").write_bytes(key)
    assert access.kubectl(config, "get", "pods", "-n", "shop").returncode == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"signerName": "kubernetes.io/kubelet-serving"}, "its signer is kubernetes.io/kubelet-serving"),
        ({"usages": ["client auth", "server auth"]}, "it is for client auth, server auth"),
        ({"expirationSeconds": 7200}, "it asks for 7200 s, not for 600 to 3600 s"),
        ({"subject": ("system:admin", ("system:nodes",))}, "such names belong to Kubernetes and kubeadm"),
    ],
)
def test_a_request_that_is_not_ours_as_stored_is_denied(access: Access, changes: dict[str, Any], told: str) -> None:
    """The API server would take each of them, and its controller would sign what is approved."""
    user, groups = changes.pop("subject", ("ada", ("dev",)))
    pem = new_request(user, groups)[1]
    labels = labels_of("user.ada", "r1")
    expected = Expected(user="ada", groups=("dev",), seconds=3600, labels=labels)
    body = request_body(pem, expected, "ada")
    name = access.cluster.api.create(REQUESTS, body | {"spec": body["spec"] | changes})["metadata"]["name"]
    try:
        with pytest.raises(Refused, match=told):
            approve(open_cluster(access.name).kube, f"{REQUESTS}/{name}", expected, BOB, lambda: None)
        [condition] = access.cluster.api.get(f"{REQUESTS}/{name}")["status"]["conditions"]
        assert condition["type"] == "Denied"
        assert told in condition["message"]
    finally:
        access.cluster.api.delete(f"{REQUESTS}/{name}")


def test_who_is_not_known_is_no_success(access: Access) -> None:
    """Neither a grant nor a revocation."""
    with pytest.raises(Refused, match="the access policy does not name this user; it names ada"):
        user_access(access.name, "eve", mode=Mode.APPLY)
    with pytest.raises(Refused, match="nothing is known of this user: .* the policy names ada"):
        user_revoke(access.name, "eve", mode=Mode.APPLY)
    assert access.revoke().outcome is Outcome.SKIPPED
