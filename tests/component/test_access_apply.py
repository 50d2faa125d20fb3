"""`access_apply` and `access_drift` on a real API server: what is given is what the policy says, and nothing else is touched."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import yaml

from flows.access_apply import access_apply
from flows.access_drift import access_drift
from tasks.access.observe import read_resources
from tasks.access.policy.declared import declare
from tasks.access.policy_file import read_policy
from tasks.access_apply.act import apply_change, delete_change
from tasks.access_apply.models import ApplyOptions, Comparison
from tasks.access_apply.steps import compare_with_policy
from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.cluster import open_cluster
from tasks.core.errors import Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tests.facts.access import RECIPIENT, binding, cluster_binding, cluster_role, group, rule, user
from tests.servers.etcd import EtcdCluster
from tests.servers.kubernetes import ControlPlane
from tests.servers.rbac import RBAC, make_namespaces
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")


def right(verbs: str, resources: str, *namespaces: str) -> dict[str, Any]:
    """With commas between."""
    return {"verbs": verbs.split(","), "resources": resources.split(","), "namespaces": list(namespaces)}


POLICY: dict[str, Any] = {
    "users": [
        {
            "name": "ada",
            "groups": ["dev"],
            "can": [right("get,list", "pods,deployments", "shop")],
            "access": {"recipient": RECIPIENT},
        },
        {
            "name": "bob",
            "groups": ["dev"],
            "can": [right("get", "nodes,/metrics")],
            "roles": [{"role": "view", "namespaces": ["shop"]}],
        },
    ],
    "groups": [
        {"name": "dev", "can": [right("get", "pods/log", "shop", "build")], "cannot": [right("get", "secrets")]},
    ],
    "service_accounts": [{"name": "shop/default", "can": [right("patch", "deployments", "shop")]}],
}


VERBS = ("get", "list", "watch", "patch", "delete", "*")
RESOURCES = ("pods", "pods/log", "deployments", "deployments.apps/scale", "*", "*.batch", "*/scale")
PLACES = ((), ("shop",), ("build", "ops"))


def random_policy(draw: random.Random) -> dict[str, Any]:
    """Users with and without a token, groups and a ServiceAccount, with rights and roles."""

    def declared(name: str) -> dict[str, Any]:
        rights = []
        for _ in range(draw.randint(0, 3)):
            verbs = ",".join(draw.sample(VERBS, draw.randint(1, 3)))
            resources = ",".join(draw.sample(RESOURCES, draw.randint(1, 4)))
            rights.append(right(verbs, resources, *draw.choice(PLACES)))
        if draw.random() < 0.4:
            rights.append(right("get,post", "/healthz,/metrics/*"))
        roles = [
            {"role": draw.choice(("view", "edit", "admin")), "namespaces": list(draw.choice(PLACES))}
            for _ in range(draw.randint(0, 2))
        ]
        return {"name": name, "can": rights, "roles": roles}

    users = [declared(name) | {"groups": ["dev"]} for name in draw.sample(("ada", "Bob", "eve@example.org"), 2)]
    token = {"access": {"recipient": RECIPIENT}}
    return {
        "users": [one | (token if draw.random() < 0.5 else {}) for one in users],
        "groups": [declared("dev")],
        "service_accounts": [declared("shop/default")],
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        make_namespaces(cluster)
        yield cluster


class Access:
    """The runbooks, and the policy of the site."""

    def __init__(self, cluster: ControlPlane, site: Site) -> None:
        self.cluster, self.site = cluster, site
        self._given: list[str] = []

    def policy(self, **changes: object) -> None:
        """Write it."""
        folder = self.site.clusters / self.site.name
        folder.mkdir(exist_ok=True)
        (folder / "access.yaml").write_text(yaml.safe_dump(POLICY | changes))

    def apply(self, mode: Mode = Mode.APPLY, **options: bool) -> Report:
        """Run it."""
        return access_apply(self.site.name, mode, ApplyOptions(**options))

    def drift(self) -> Report:
        """Run it."""
        return access_drift(self.site.name)

    def objects(self) -> list[dict[str, Any]]:
        """All of ours, as the API has them."""
        kinds = "serviceaccounts,roles,clusterroles,rolebindings,clusterrolebindings"
        told = self.cluster.kubectl("get", kinds, "-A", "-l", "kube-runbooks.io/access", "-o", "json")
        found: list[dict[str, Any]] = json.loads(told)["items"]
        return found

    def wanted(self) -> list[dict[str, Any]]:
        """The objects of the policy, as files that a person could have written."""
        policy = read_policy(self.site.clusters, self.site.name)
        assert policy is not None
        return [one.body for one in declare(policy, read_resources(open_cluster(self.site.name).kube)).objects]

    def log_in(self, account: str) -> KubeClient:
        """With a token of that ServiceAccount."""
        path = f"/api/v1/namespaces/kube-runbooks-access/serviceaccounts/{account}/token"
        token = self.cluster.api.create(path, {"spec": {"expirationSeconds": 600}})["status"]["token"]
        server = KubeServer("here", lambda: nullcontext(self.cluster.url))
        return KubeClient([server], lambda: KubeUser(self.cluster.ca.read_bytes(), token=token))

    def give(self, path: str, body: dict[str, Any]) -> None:
        """Something of others, until the test ends."""
        self.cluster.api.create(path, body)
        self._given.append(f"{path}/{body['metadata']['name']}")

    def compared(self) -> Comparison:
        """As the runbooks compare."""
        return compare_with_policy.fn(self.site.name, ApplyOptions())

    def apply_quickly(self) -> None:
        """The same acts without a flow around them."""
        kube = open_cluster(self.site.name).kube
        for change in self.compared().changes:
            assert delete_change(kube, change) if change.act == "delete" else apply_change(kube, change)

    def take_back(self) -> None:
        """All that was given, and all of ours with an empty policy."""
        self.site.use_api(self.cluster.kubeconfig())
        for path in reversed(self._given):
            self.cluster.api.delete(path)
        self.policy(users=[], groups=[], service_accounts=[])
        self.apply_quickly()
        assert self.objects() == []


@pytest.fixture
def access(cluster: ControlPlane, new_site: Callable[[EtcdCluster], Site]) -> Iterator[Access]:
    """With a policy that nobody has applied."""
    site = new_site(cluster.etcd)
    site.use_api(cluster.kubeconfig())
    made = Access(cluster, site)
    made.policy()
    yield made
    made.take_back()


NAME = "kube-runbooks:user:ada"
ROLE = f"{RBAC}/namespaces/shop/roles/{NAME}"
BOUND = f"{RBAC}/namespaces/shop/rolebindings"
VIEW = "kube-runbooks:user:bob:ClusterRole:view"


def reconcile(access: Access) -> list[str]:
    """What `kubectl auth reconcile` would change of our objects; it takes away what is too much, too."""
    rules = [one for one in access.wanted() if one["kind"] not in {"Namespace", "ServiceAccount"}]
    text = json.dumps({"kind": "List", "apiVersion": "v1", "items": rules})
    extra = ("--remove-extra-permissions", "--remove-extra-subjects")
    told = access.cluster.kubectl("auth", "reconcile", "-f", "-", "--dry-run=client", *extra, text=text, both=True)
    assert told.count(" reconciled") == len(rules)
    return [line.strip() for line in told.splitlines() if "reconciled" not in line]


def steps(report: Report) -> list[tuple[str, str]]:
    """Of its plan."""
    assert report.plan is not None
    return [(one.act, one.subject) for one in report.plan.steps]


def cautions(report: Report) -> list[str]:
    """Of its plan."""
    assert report.plan is not None
    return [f"{one.subject}: {one.problem}" for one in report.plan.cautions]


def test_a_policy_is_planned_given_proven_and_then_there_is_no_difference(access: Access) -> None:
    """`kubectl auth reconcile` has nothing to change. A user with a token has the rights of its group."""
    with pytest.raises(
        Refused, match=r"Role shop/kube-runbooks:user:ada: missing, for User:ada: \+ get pods/log; \+ get, list pods"
    ):
        access.drift()
    planned = access.apply(Mode.PLAN)
    first = [
        one for one in steps(planned) if one[1] != "Namespace kube-runbooks-access"
    ]  # another test may have made it
    assert first[:2] == [
        ("create", "ServiceAccount kube-runbooks-access/ada"),
        ("create", "Role build/kube-runbooks:group:dev"),
    ]
    assert access.objects() == []
    assert any(
        "allow get pods in shop" in one and "the objects of the policy correct them" in one for one in cautions(planned)
    )
    report = access.apply()
    assert steps(report) == steps(planned)
    assert report.summary[1:] == (
        "read back: 15 objects as the policy wants",
        "cells of the matrix that hold: 22 of 22",
    )
    ada = access.log_in("ada")
    assert ada.items("/api/v1/namespaces/shop/pods") == []
    with pytest.raises(Refused, match='404 pods "x" not found'):
        ada.get("/api/v1/namespaces/build/pods/x/log")
    with pytest.raises(Refused, match="403 secrets is forbidden"):
        ada.items("/api/v1/namespaces/shop/secrets")
    ada.close()
    assert reconcile(access) == []

    before = {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in access.objects()}
    again = access.apply()
    assert again.summary[0] == "nothing to change: 15 objects as the policy wants"
    assert access.drift().summary[0] == "no difference: 15 objects as the policy wants"
    assert {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in access.objects()} == before


def test_a_changed_policy_changes_and_deletes_only_what_it_must(access: Access) -> None:
    """Another role is another binding; the old one goes after the proof. With --no-remove it stays."""
    access.apply_quickly()
    bob = POLICY["users"][1] | {"can": [right("get", "nodes")], "roles": [{"role": "edit", "namespaces": ["shop"]}]}
    access.policy(users=[bob])
    with pytest.raises(Refused, match="User:bob: the policy itself gives what it forbids: get secrets in shop"):
        access.apply(Mode.PLAN)
    access.policy(users=[bob | {"groups": []}])
    report = access.apply(Mode.PLAN, remove=False)
    assert {act for act, _ in steps(report)} == {"change", "create"}
    report = access.apply()
    assert steps(report) == [
        ("change", "ClusterRole kube-runbooks:user:bob"),
        ("create", "RoleBinding shop/kube-runbooks:user:bob:ClusterRole:edit"),
        ("delete", f"RoleBinding build/{NAME}"),
        ("delete", f"RoleBinding shop/{NAME}"),
        ("delete", "RoleBinding shop/kube-runbooks:user:bob:ClusterRole:view"),
        ("delete", f"Role build/{NAME}"),
        ("delete", f"Role shop/{NAME}"),
        ("delete", "ServiceAccount kube-runbooks-access/ada"),
    ]
    assert report.plan is not None
    assert report.plan.steps[0].reason.endswith("(- get /metrics)")
    assert reconcile(access) == []
    dangers = [one for one in cautions(report) if "DANGER" in one]
    assert any(one.startswith("User:bob: DANGER (medium): it can read Secrets in shop") for one in dangers)


def test_what_somebody_changed_by_hand_is_a_drift_and_is_put_back(access: Access) -> None:
    """A rule, a subject, a label, another role: each is named. An edit that others made elsewhere is left alone."""
    access.apply_quickly()
    api = access.cluster.api
    api.patch(ROLE, {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]})
    api.patch(f"{BOUND}/kube-runbooks:group:dev", {"subjects": [user("eve")]})
    api.patch(f"{RBAC}/clusterroles/kube-runbooks:user:bob", {"metadata": {"annotations": {"site": "x"}}})
    body = api.get(f"{BOUND}/{VIEW}")
    api.delete(f"{BOUND}/{VIEW}")
    kept = {"name": VIEW, "labels": body["metadata"]["labels"]}
    api.create(BOUND, {"metadata": kept, "roleRef": body["roleRef"] | {"name": "admin"}, "subjects": body["subjects"]})
    with pytest.raises(Refused) as error:
        access.drift()
    assert error.value.problem.split("\n") == [
        f"Role shop/{NAME}: not as the policy wants, for User:ada: + get pods/log; + get, list pods; + get, list deployments of apps; - get secrets",
        "RoleBinding shop/kube-runbooks:group:dev: not as the policy wants, for Group:dev: + Group:dev; - User:eve",
        f"RoleBinding shop/{VIEW}: not as the policy wants, for User:bob: + role ClusterRole view; - role ClusterRole admin; ~ annotations kube-runbooks.io/subject",
    ]
    assert f"`kube-runbooks run access-apply {access.site.name} --mode=plan`" in error.value.hint
    assert reconcile(access) != []
    report = access.apply()
    assert [act for act, _ in steps(report)] == ["change", "change", "replace"]
    assert access.drift().outcome is Outcome.COMPLETED
    assert reconcile(access) == []
    kept = api.get(f"{RBAC}/clusterroles/kube-runbooks:user:bob")["metadata"]["annotations"]
    assert kept["site"] == "x"


def test_a_foreign_object_is_never_changed_and_a_foreign_right_is_a_finding(access: Access) -> None:
    """An object with the same name refuses the run. A cell that a foreign binding breaks is named before and after."""
    kube = open_cluster(access.site.name).kube
    body = {"metadata": {"name": NAME, "namespace": "shop"}, "rules": [rule("get", "secrets")]}
    access.give(f"{RBAC}/clusterroles", cluster_role("secrets", rule("get", "secrets")))
    access.give(f"{RBAC}/namespaces/ops/rolebindings", binding("ops", "hole", ("ClusterRole", "secrets"), group("dev")))
    access.cluster.api.create(f"{RBAC}/namespaces/shop/roles", body)
    with pytest.raises(Refused, match=f"Role shop/{NAME}: it exists, and kube-runbooks did not make it"):
        access.apply()
    assert access.objects() == []
    assert kube.get(ROLE)["rules"] == body["rules"]
    kube.delete(ROLE)

    report = access.apply()
    told = cautions(report)
    more = "RoleBinding ops/hole of ClusterRole secrets, which is not ours, gives it more than the policy: get secrets"
    assert f"Group:dev: {more}" in told
    assert any("deny get secrets in ops; they will still fail" in one for one in told)
    assert report.summary[3] == (
        "cells that failed before, and still fail: User:bob get secrets in ops, Group:dev get secrets in ops"
    )
    assert kube.get(f"{RBAC}/namespaces/ops/rolebindings/hole")["subjects"] == [group("dev")]


def test_rights_that_the_runbooks_do_not_have_cannot_be_given(access: Access) -> None:
    """The API server names them. Nothing is changed."""
    cluster = access.cluster
    may = [
        rule(
            "get,list,create,patch,delete",
            "roles,rolebindings,clusterroles,clusterrolebindings",
            group="rbac.authorization.k8s.io",
        ),
        rule("get,list,create,patch,delete", "namespaces,serviceaccounts"),
        rule("create", "subjectaccessreviews", group="authorization.k8s.io"),
        rule("get,create,update", "leases", group="coordination.k8s.io"),
        rule("get,list", "pods"),
    ]
    access.give(f"{RBAC}/clusterroles", cluster_role("limited", *may))
    access.give(f"{RBAC}/clusterrolebindings", cluster_binding("limited", "limited", user("limited")))
    config = access.site.folder / "limited"
    config.touch(mode=0o600)
    config.write_text(cluster.kubeconfig(cluster.user("limited")))
    access.site.write(kubernetes={"kubeconfig": f"file:{config}"})
    cara = {"name": "cara", "can": [right("get,list", "pods", "shop")]}
    access.policy(
        users=[cara, {"name": "dan", "can": [right("get", "secrets", "shop")]}], groups=[], service_accounts=[]
    )
    with pytest.raises(Refused) as error:
        access.apply(Mode.PLAN)
    assert (
        "Role shop/kube-runbooks:user:dan of User:dan: the user of kube-runbooks does not have these rights"
        in error.value.problem
    )
    assert 'Resources:["secrets"], Verbs:["get"]' in error.value.problem
    assert "cara" not in error.value.problem
    access.policy(users=[cara], groups=[], service_accounts=[])
    assert access.apply().summary[0].startswith("2 objects changed")


def test_a_run_that_was_killed_anywhere_is_finished_by_the_next_one(access: Access) -> None:
    """Whatever is done already is left as it is, and the rest follows; also between the two halves of a replacement."""
    kube = open_cluster(access.site.name).kube
    found = access.compared()
    for done in range(0, len(found.changes), 4):
        for change in found.changes[:done]:
            apply_change(kube, change)
        assert access.compared().changes == found.changes[done:]
    access.apply_quickly()
    assert reconcile(access) == []

    body = kube.get(f"{BOUND}/{VIEW}")
    kube.delete(f"{BOUND}/{VIEW}")
    metadata = {"name": VIEW, "labels": body["metadata"]["labels"]}
    kube.create(BOUND, {"metadata": metadata, "roleRef": body["roleRef"] | {"name": "admin"}})
    (replaced,) = access.compared().changes
    assert replaced.act == "replace"
    kube.delete(f"{BOUND}/{VIEW}")
    assert apply_change(kube, replaced)
    assert not apply_change(kube, replaced)

    access.policy(users=[])
    gone = access.compared().changes
    assert [delete_change(kube, one) for one in gone[:3]] == [True] * 3
    assert delete_change(kube, gone[0]) is False
    assert len(steps(access.apply())) == len(gone) - 3


def test_what_changed_since_the_plan_is_not_touched(access: Access) -> None:
    """Neither changed nor deleted: the plan that people saw was another one."""
    access.apply_quickly()
    kube, api = open_cluster(access.site.name).kube, access.cluster.api
    bob = POLICY["users"][1] | {"can": [right("get", "nodes")]}
    access.policy(users=[bob])
    found = access.compared()
    (changed,) = [one for one in found.changes if one.act == "change"]
    (deleted,) = [one for one in found.changes if one.place.label == f"Role shop/{NAME}"]
    api.patch(
        f"{RBAC}/clusterroles/kube-runbooks:user:bob",
        {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    )
    api.patch(ROLE, {"rules": []})
    for act, change in ((apply_change, changed), (delete_change, deleted)):
        with pytest.raises(Refused, match="has changed since the plan was made"):
            act(kube, change)
    api.patch(ROLE, {"metadata": {"labels": {"kube-runbooks.io/access": None}}})
    with pytest.raises(Refused, match="has changed since the plan was made"):
        delete_change(kube, deleted)
    api.delete(ROLE)


@pytest.mark.parametrize("seed", [0, *(pytest.param(one, marks=pytest.mark.full) for one in (1, 2))])
def test_for_any_policy_kubectl_auth_reconcile_finds_nothing_to_change(access: Access, seed: int) -> None:
    """Each policy is applied to what the one before it has left."""
    draw = random.Random(seed)  # noqa: S311 - a test's numbers
    for _ in range(2):
        access.policy(**random_policy(draw))
        access.apply_quickly()
        assert reconcile(access) == []
        assert access.compared().changes == ()
