"""A user with few rights: the plan says which are missing, and a Role with those of the documentation is enough."""

from typing import Any

import pytest
import yaml

from flows.workload_rollback import workload_rollback
from flows.workload_rollout import workload_rollout
from tasks.core.errors import FailedForGood, Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tasks.workloads.models.changes import Change, RolloutOptions
from tasks.workloads.models.rollback import RollbackOptions
from tests.servers.binaries import ROOT
from tests.servers.kubernetes import ControlPlane
from tests.servers.shop import Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

GROUP = "rbac.authorization.k8s.io"
QUICK: dict[str, Any] = {"stable_for": 1, "timeout": 60}


def documented() -> list[dict[str, Any]]:
    """The rules of the Role in docs/workloads.md."""
    text = (ROOT / "docs" / "workloads.md").read_text().partition("kind: Role\n")[2].partition("```")[0]
    rules: list[dict[str, Any]] = yaml.safe_load(text)["rules"]
    return rules


class User:
    """Somebody with these rights in the namespace, and with none elsewhere."""

    def __init__(self, cluster: ControlPlane, site: Site, shop: Shop) -> None:
        self._shop, self._site = shop, site
        self.name = f"user-{shop.name}"
        self._path = f"/apis/{GROUP}/v1/namespaces/{shop.name}"
        binding = {
            "metadata": {"name": "few"},
            "subjects": [{"kind": "User", "name": self.name, "apiGroup": GROUP}],
            "roleRef": {"kind": "Role", "name": "few", "apiGroup": GROUP},
        }
        shop.api.create(f"{self._path}/roles", {"metadata": {"name": "few"}, "rules": []})
        shop.api.create(f"{self._path}/rolebindings", binding)
        site.use_api(cluster.kubeconfig(cluster.user(self.name)))

    def may(self, *rules: dict[str, Any]) -> None:
        """From now on, and nothing else."""
        self._shop.api.patch(f"{self._path}/roles/few", {"rules": list(rules)})

    def roll(self, workload: str, tag: str, **options: Any) -> Report:  # noqa: ANN401 - fields of the options
        """A rollout of an image by this user."""
        change = Change(namespace=self._shop.name, workload=workload, images={"main": f"web:{tag}"})
        given = RolloutOptions.model_validate(QUICK | options)
        return workload_rollout(self._site.name, (change,), "new prices", mode=Mode.APPLY, options=given)

    def back(self, workload: str, **options: Any) -> Report:  # noqa: ANN401 - as above
        """A rollback by this user."""
        given = RollbackOptions.model_validate(QUICK | options)
        return workload_rollback(
            self._site.name, self._shop.name, (workload,), "errors", mode=Mode.APPLY, options=given
        )


@pytest.fixture
def user(two_workers: ControlPlane, site: Site, shop: Shop) -> User:
    """Who may do nothing yet."""
    return User(two_workers, site, shop)


def rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
    """Of a Role."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


READS = [
    *(rule("", resource, "list") for resource in ("pods", "events")),
    *(rule("apps", resource, "get", "list") for resource in ("statefulsets", "controllerrevisions")),
    rule("autoscaling", "horizontalpodautoscalers", "list"),
    rule("policy", "poddisruptionbudgets", "list"),
]


def test_what_is_missing_is_refused_before_anything_is_touched(user: User, shop: Shop) -> None:
    """With verb, kind and namespace, and the rule that grants it; those to read first, and what can be known with them."""
    configured = {"containers": [{"name": "main", "image": "web:1", "envFrom": [{"configMapRef": {"name": "c"}}]}]}
    shop.make("statefulset/db", pod=configured)
    before = shop.get("statefulset/db")["metadata"]["generation"]
    with pytest.raises(Refused) as nothing:
        user.roll("statefulset/db", "2")
    said = nothing.value.problem
    for kind in ("get, patch, update statefulsets.apps", "list controllerrevisions.apps", "list events", "list pods"):
        assert f"{shop.name}/statefulset/db: the user of the run may not {kind} in namespace {shop.name}" in said
    user.may(*READS)
    with pytest.raises(Refused) as refused:
        user.roll("statefulset/db", "2")
    assert refused.value.problem.split("\n") == [
        f"{shop.name}/statefulset/db: the user of the run may not {kind} in namespace {shop.name}"
        for kind in (
            "patch, update statefulsets.apps",
            "get, update, create leases.coordination.k8s.io",
            "get configmaps",
            "delete pods",
        )
    ]
    assert refused.value.hint.split("\n")[:2] == [
        'bind a Role with this rule to it: {apiGroups: ["apps"], resources: [statefulsets], verbs: [patch, update]}',
        'bind a Role with this rule to it: {apiGroups: ["coordination.k8s.io"], resources: [leases], verbs: [get, update, create]}',
    ]
    with pytest.raises(Refused, match=f"may not patch, update statefulsets.apps in namespace {shop.name}"):
        user.back("statefulset/db")
    assert shop.get("statefulset/db")["metadata"]["generation"] == before
    leases = shop.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{shop.name}/leases")["items"]
    assert leases == []


def test_the_documented_role_is_enough(user: User, shop: Shop) -> None:
    """For a rollout, for one that is put back, and for a rollback with its ConfigMap. Without a right to it, that one stays."""
    maps = f"/api/v1/namespaces/{shop.name}/configmaps"
    shop.api.create(maps, {"metadata": {"name": "c"}, "data": {"level": "info"}})
    configured = {"containers": [{"name": "main", "image": "web:1", "envFrom": [{"configMapRef": {"name": "c"}}]}]}
    shop.run("statefulset/db", pod=configured)
    user.may(*documented())
    report = user.roll("statefulset/db", "2")
    assert (report.outcome, shop.images("statefulset/db")) == (Outcome.COMPLETED, {"web:2"})
    with pytest.raises(FailedForGood, match="is back, and runs main=web:2"):
        user.roll("statefulset/db", "crash")
    shop.wait_available("statefulset/db", 2)
    shop.api.patch(f"{maps}/c", {"data": {"level": "wrong"}})
    assert user.roll("statefulset/db", "3").outcome is Outcome.COMPLETED
    user.may(*(one for one in documented() if "configmaps" not in one["resources"]), rule("", "configmaps", "get"))
    with pytest.raises(Refused, match=f"may not update configmaps in namespace {shop.name}"):
        user.back("statefulset/db")
    user.may(*documented())
    user.back("statefulset/db")
    assert shop.api.get(f"{maps}/c")["data"] == {"level": "info"}
    assert shop.images("statefulset/db") == {"web:2"}


def test_without_the_right_to_try_a_pod_the_plan_says_so(user: User, shop: Shop) -> None:
    """It does not stop the run."""
    shop.run("deployment/web")
    user.may(*(one for one in documented() if "create" not in one["verbs"] or one["resources"] != ["pods"]))
    report = user.roll("deployment/web", "2", check_images=False)
    assert report.plan
    may_not = "the user of the run may not"
    assert [one.problem for one in report.plan.cautions] == [
        f"whether there is room for its pods is not known: {may_not} list nodes; list pods",
        f"a pod of the new template could not be tried: {may_not} create pods in namespace {shop.name}",
    ]


def test_a_user_who_may_not_read_namespaces_is_told_that_the_workload_is_missing(user: User, shop: Shop) -> None:
    """The namespace may be there."""
    user.may(*documented())
    with pytest.raises(Refused, match=f"{shop.name}/deployment/wbe: no workload with this name"):
        user.roll("deployment/wbe", "2")
