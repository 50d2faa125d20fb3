"""`access_audit` on a real API server: who can do what, the policy as a test of the cluster, and what changed since the last run."""

import json
import shlex
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
import yaml

from flows.access_audit import access_audit
from kube_runbooks.app import app
from tasks.core.errors import Refused
from tasks.core.models.report import Outcome, Report
from tests.facts.access import account, binding, cluster_binding, cluster_role, group, role, rule, user
from tests.servers.etcd import EtcdCluster
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import wait_until
from tests.servers.rbac import RBAC
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

POLICY: dict[str, Any] = {
    "users": [
        {
            "name": "ada",
            "groups": ["dev"],
            "can": [{"verbs": ["get", "list"], "resources": ["pods", "deployments"], "namespaces": ["default"]}],
        }
    ],
    "groups": [{"name": "dev", "cannot": [{"verbs": ["get"], "resources": ["secrets"]}]}],
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all, where ada may read pods and deployments."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        reads = cluster_role("reads", rule("get,list", "pods"), rule("get,list", "deployments", group="apps"))
        cluster.api.create(f"{RBAC}/clusterroles", reads)
        cluster.api.create(f"{RBAC}/clusterroles", cluster_role("secrets", rule("get", "secrets")))
        cluster.api.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "ci"}})
        bound = binding("default", "ada", ("ClusterRole", "reads"), user("ada"))
        cluster.api.create(f"{RBAC}/namespaces/default/rolebindings", bound)
        yield cluster


class Access:
    """The runbook, the policy, and rights that a test gives and takes away."""

    def __init__(self, cluster: ControlPlane, site: Site) -> None:
        self.cluster, self.site = cluster, site
        self._given: list[str] = []

    def policy(self, **changes: object) -> None:
        """Write it."""
        folder = self.site.clusters / self.site.name
        folder.mkdir(exist_ok=True)
        (folder / "access.yaml").write_text(yaml.safe_dump(POLICY | changes))

    def give(self, path: str, body: dict[str, Any]) -> None:
        """Until the test ends."""
        self.cluster.api.create(path, body)
        self._given.append(f"{path}/{body['metadata']['name']}")

    def take(self, path: str) -> None:
        """Take one back."""
        self.cluster.api.delete(path)
        self._given.remove(path)

    def take_back(self) -> None:
        """All that was given; what is in a namespace goes before it does."""
        for path in reversed(tuple(self._given)):
            self.take(path)

    def run(self) -> Report:
        """The audit."""
        return access_audit(self.site.name)


@pytest.fixture
def access(cluster: ControlPlane, new_site: Callable[[EtcdCluster], Site]) -> Iterator[Access]:
    """A bucket of its own, so that there is no previous audit."""
    site = new_site(cluster.etcd)
    site.use_api(cluster.kubeconfig())
    made = Access(cluster, site)
    yield made
    made.take_back()


def _audit(site: Site) -> dict[str, Any]:
    """What the newest run found; a refused run has no other result."""
    done = site.reports()[-1]["done"]
    found: dict[str, Any] = next(one["evidence"] for one in done if one["step"] == "audit access")
    return found


def test_a_workload_that_does_more_than_it_needs_is_a_finding_with_a_patch(access: Access) -> None:
    """Until it is patched as the report says. A namespace then could enforce the level."""
    access.give("/api/v1/namespaces", {"metadata": {"name": "loose"}})
    container = {"name": "web", "image": "registry.example/i:1"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    access.give("/apis/apps/v1/namespaces/loose/deployments", {"metadata": {"name": "web"}, "spec": spec})
    access.run()
    found = {one["id"]: one for one in _audit(access.site)["findings"]}
    loose = found.pop("pods-restricted:loose/deployment/web")
    assert list(found) == ["pods-not-enforced:loose"]
    assert (loose["severity"], found["pods-not-enforced:loose"]["fix"][-9:]) == ("low", "baseline`")
    assert "spec.containers[web].securityContext.allowPrivilegeEscalation is not set: set false" in loose["evidence"]
    command = shlex.split(loose["fix"].split("`")[1])
    access.cluster.kubectl(*command[1:])
    access.run()
    assert [one["id"] for one in _audit(access.site)["findings"]] == ["pods-not-enforced:loose"]
    access.cluster.kubectl(*_audit(access.site)["findings"][0]["fix"].strip("`").split()[1:])
    access.run()
    assert _audit(access.site)["findings"] == []
    assert _audit(access.site)["gone"] == ["pods-not-enforced:loose"]


def _problems(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.problem


def test_a_new_cluster_has_no_finding_and_an_unchecked_matrix_is_no_health(access: Access) -> None:
    """What Kubernetes itself gives is known with its reason. Without a policy the report says what was not checked."""
    report = access.run()
    assert report.outcome is Outcome.COMPLETED
    assert _audit(access.site)["findings"] == []
    assert "the matrix of the access policy was not checked" in report.summary
    assert report.plan is not None
    assert [(one.subject, one.problem.partition(":")[0]) for one in report.plan.cautions] == [
        ("matrix", "not checked"),
        ("not checked", "certificates of system"),
        ("not checked", "flags of the API servers"),
    ]


def test_each_dangerous_right_and_each_token_is_a_finding_until_it_is_gone_or_accepted(access: Access) -> None:
    """High ones refuse the run. The next run says what is new, what is gone and what the policy accepts, until its last day."""
    everywhere, strangers = f"{RBAC}/clusterrolebindings", group("system:unauthenticated")
    access.give(everywhere, cluster_binding("on-call", "secrets", user("bob"), account("default", "ci")))
    access.give(everywhere, cluster_binding("open", "reads", strangers))
    metadata = {"name": "old", "annotations": {"kubernetes.io/service-account.name": "default"}}
    token = {"metadata": metadata, "type": "kubernetes.io/service-account-token", "data": {"token": "aHVudGVyMg=="}}
    access.give("/api/v1/namespaces/default/secrets", token)
    with pytest.raises(Refused) as error:
        access.run()
    assert "2 findings: read-secrets:ServiceAccount:default/ci:*: it can read Secrets everywhere" in _problems(error)
    assert "ClusterRoleBinding on-call of ClusterRole secrets" in _problems(error)
    assert "whoever reaches the API, without logging in, has ClusterRole reads (ClusterRoleBinding open)" in _problems(
        error
    )
    assert "or accept it in" in error.value.hint
    first = _audit(access.site)
    ids = {one["id"]: one["severity"] for one in first["findings"]}
    assert ids == {
        "read-secrets:ServiceAccount:default/ci:*": "high",
        "read-secrets:User:bob:*": "high",
        "everyone:Group:system:unauthenticated:ClusterRoleBinding:open": "high",
        "legacy-token:default/old": "medium",
    }
    assert not any("hunter2" in text or "aHVudGVyMg" in text for text in access.site.texts())

    access.take(f"{everywhere}/open")
    reasons = [
        {"finding": "read-secrets:User:bob:*", "reason": "he is on call", "expires": "2999-01-01"},
        {"finding": "read-secrets:ServiceAccount:default/ci:*", "reason": "a trial", "expires": "2020-01-01"},
        {"finding": "exec:User:nobody:*", "reason": "was true once", "expires": "2999-01-01"},
    ]
    access.policy(accepted=reasons)
    with pytest.raises(Refused) as error:
        access.run()
    assert "User:bob" not in _problems(error)
    assert "read-secrets:ServiceAccount:default/ci:*: it can read Secrets everywhere" in _problems(error)
    assert "the policy accepted it until 2020-01-01" in _problems(error)
    second = _audit(access.site)
    assert second["compared_with"] == access.site.reports()[0]["run_id"]
    assert second["gone"] == ["everyone:Group:system:unauthenticated:ClusterRoleBinding:open"]
    assert {one["id"] for one in second["findings"] if one["is_new"]} == set()
    assert second["unused"] == ["exec:User:nobody:*"]
    access.give(everywhere, cluster_binding("also", "secrets", user("eve")))
    with pytest.raises(Refused, match=r"2 findings: new: read-secrets:User:eve:\*: "):
        access.run()
    access.take(f"{everywhere}/also")

    reasons[1]["expires"] = "2999-01-01"
    access.policy(accepted=reasons[:2])
    report = access.run()
    assert report.outcome is Outcome.COMPLETED
    assert "1 finding among" in report.summary[0]
    assert "2 accepted by the policy" in report.summary[0]
    assert report.summary[1] == "cells of the matrix that hold: 7 of 7"
    metrics = access.site.read(f"{access.site.name}/metrics/access.prom").decode()
    assert f'kube_runbooks_access_findings{{cluster="{access.site.name}",severity="medium"}} 1' in metrics


def test_a_cell_that_fails_refuses_the_run(access: Access) -> None:
    """A right too many in one namespace, a right too few, and a cell that shows nothing: each is named."""
    access.give(
        f"{RBAC}/namespaces/kube-system/rolebindings",
        binding("kube-system", "hole", ("ClusterRole", "secrets"), group("dev")),
    )
    may = {"verbs": ["get"], "resources": ["nodes", "podz"]}
    access.policy(users=[{"name": "ada", "groups": ["dev"], "can": [may]}])
    with pytest.raises(Refused) as error:
        access.run()
    allowed = 'get secrets in kube-system is allowed (RBAC: allowed by RoleBinding "hole/kube-system"'
    assert (
        f"User:ada: 3 cells of the matrix fail: get nodes is denied, get podz was not checked (the API has no resource podz; `kubectl api-resources` lists the names; a group follows after a dot, as in deployments.apps), {allowed}"
        in _problems(error)
    )
    assert f"Group:dev: 1 cell of the matrix fails: {allowed}" in _problems(error)
    assert [one["allowed"] for one in _audit(access.site)["cells"]] == [False, None, False, False, True, False, True]


def test_the_commands_answer_single_questions(access: Access, capsys: pytest.CaptureFixture[str]) -> None:
    """With the binding that allows it; a denied right and a cell that fails are an exit status."""
    name = access.site.name

    def call(*words: str) -> tuple[int, str]:
        ended = app(["access", words[0], name, *words[1:]], result_action="return_value")
        return int(ended), capsys.readouterr().out

    access.give(f"{RBAC}/clusterrolebindings", cluster_binding("on-call", "secrets", group("ops")))
    status, shown = call("who-can", "get", "deployments", "-o", "json")
    assert [one["subject"] for one in json.loads(shown)][:1] == ["Group:system:masters"]
    assert {
        "subject": "User:ada",
        "namespace": "default",
        "names": "-",
        "binding": "RoleBinding default/ada",
        "role": "ClusterRole reads",
    } in json.loads(shown)
    assert status == 0
    assert "User:ada" not in call("who-can", "get", "deployments", "--namespace", "kube-system")[1]
    assert "User:ada" not in call("who-can", "get", "nodes")[1]
    assert "Group:ops" in call("who-can", "get", "secrets")[1]
    assert call("can-i", "get", "pods", "--as", "ada", "--namespace", "default") == (
        0,
        "yes\nRoleBinding default/ada of ClusterRole reads to User:ada\n",
    )
    assert call("can-i", "get", "secrets", "--as", "ada", "--as-group", "ops")[0] == 0
    status, shown = call("can-i", "get", "secrets", "--as", "system:serviceaccount:default:ci", "-o", "json")
    assert (status, json.loads(shown)["allowed"], json.loads(shown)["by"]) == (5, False, [])
    assert call("can-i", "get", "podz", "--as", "ada")[0] == 3
    assert call("matrix")[0] == 2
    access.policy()
    status, shown = call("matrix")
    assert (status, shown.count("holds"), shown.count("FAILS")) == (0, 7, 0)
    access.policy(groups=[{"name": "ops", "cannot": [{"verbs": ["get"], "resources": ["secrets"]}]}])
    assert call("matrix")[0] == 5


def test_a_policy_that_is_wrong_refuses_the_run(access: Access) -> None:
    """With the field and the fix."""
    access.policy(groups=[{"name": "dev", "cannot": [{"verbs": ["get"], "resources": ["Secrets"]}]}])
    with pytest.raises(Refused, match=r"groups\[0\].cannot\[0\].resources\[0\]: 'Secrets': write a resource as pods"):
        access.run()


def test_another_authorizer_and_an_old_version_of_the_api_are_findings(
    tmp_path_factory: pytest.TempPathFactory, new_site: Callable[[EtcdCluster], Site]
) -> None:
    """The authorizer allows everything, and no rule says so. An object was written by a version that the next release removes."""
    flags = ("--authorization-mode=AlwaysAllow", "--runtime-config=networking.k8s.io/v1beta1=true")
    with ControlPlane(tmp_path_factory.mktemp("open"), apiserver_flags=flags) as cluster:
        old = {"metadata": {"name": "old"}, "spec": {"cidrs": ["10.99.0.0/16"]}}
        cluster.api.create("/apis/networking.k8s.io/v1beta1/servicecidrs", old)
        site = new_site(cluster.etcd)
        site.use_api(cluster.kubeconfig())
        with pytest.raises(Refused, match="the API server allows it .*, and RBAC refuses it"):
            access_audit(site.name)
    audit = _audit(site)
    found = {one["check"]: one for one in audit["findings"]}
    assert set(found) == {"disagrees", "deprecated-api"}
    one = found["deprecated-api"]
    assert (one["id"], one["severity"]) == ("deprecated-api:networking.k8s.io/v1beta1/servicecidrs", "medium")
    assert "python-httpx (for example old)" in one["evidence"]
    assert audit["apis"]["servicecidrs.networking.k8s.io"].startswith("v1, v1beta1 ServiceCIDR: create delete")


def test_constrained_impersonation_is_impersonation(access: Access) -> None:
    """A token with both rights acts as bob by the API server itself, and the audit finds it."""
    core, everywhere = "/api/v1/namespaces/default/serviceaccounts", f"{RBAC}/clusterrolebindings"
    access.give(core, {"metadata": {"name": "actor"}})
    token = access.cluster.api.create(f"{core}/actor/token", {"spec": {}})["status"]["token"]
    rules = [
        rule("impersonate:user-info", "users", group="authentication.k8s.io", names=["ada"]),
        rule("impersonate-on:user-info:list", "pods"),
    ]
    access.give(f"{RBAC}/clusterroles", cluster_role("actor", *rules))

    def status() -> int:
        headers = {"Authorization": f"Bearer {token}", "Impersonate-User": "ada"}
        asked = httpx.get(
            f"{access.cluster.url}/api/v1/namespaces/default/pods",
            headers=headers,
            verify=ssl.create_default_context(cafile=str(access.cluster.ca)),
            trust_env=False,
        )
        return asked.status_code

    assert status() == HTTPStatus.FORBIDDEN
    access.give(everywhere, cluster_binding("actor", "actor", account("default", "actor")))
    wait_until(lambda: status() == HTTPStatus.OK, 60.0, "the rule is read")
    with pytest.raises(Refused, match="it can act as another user, group, ServiceAccount or node everywhere"):
        access.run()
    assert [one["id"] for one in _audit(access.site)["findings"]] == ["impersonate:ServiceAccount:default/actor:*"]


def test_what_a_binding_names_and_nobody_made_is_a_finding(access: Access) -> None:
    """A role and a ServiceAccount, until they exist."""
    bound = binding("default", "ghost", ("Role", "none"), account("default", "ghost"), user("ada"))
    access.give(f"{RBAC}/namespaces/default/rolebindings", bound)
    access.run()
    found = {one["id"]: one["severity"] for one in _audit(access.site)["findings"]}
    assert found == {"absent-role:Role:default/none": "low", "absent-subject:ServiceAccount:default/ghost": "medium"}
    access.give("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "ghost"}})
    access.give(f"{RBAC}/namespaces/default/roles", role("default", "none", rule("get", "pods")))
    access.run()
    assert _audit(access.site)["findings"] == []


def cluster_policies() -> tuple[str, dict[str, Any]]:
    """The definition of the kind ClusterNetworkPolicy, without its fields."""
    names = {"kind": "ClusterNetworkPolicy", "plural": "clusternetworkpolicies", "singular": "clusternetworkpolicy"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1alpha2", "served": True, "storage": True, "schema": schema}
    group = "policy.networking.k8s.io"
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/network-policy-api/pull/30"}
    metadata = {"name": f"{names['plural']}.{group}", "annotations": approved}
    spec = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    return "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"metadata": metadata, "spec": spec}


def test_namespaces_that_policies_leave_open_are_findings_and_an_untried_network_is_a_caution(access: Access) -> None:
    """One finding for each namespace and kind, until the policies are correct. Other kinds of policies are named."""
    access.give("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    metadata = {"name": "web", "labels": {"app": "web"}}
    spec = {"containers": [{"name": "web", "image": "registry.example/i:1"}], "schedulerName": "nobody"}
    access.give("/api/v1/namespaces/shop/pods", {"metadata": metadata, "spec": spec})
    policies, walls = (
        "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies",
        {"policyTypes": ["Ingress", "Egress"]},
    )
    wrong = {
        "podSelector": {"matchLabels": {"app": "wbe"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "db"}}}]}],
    }
    access.give(policies, {"metadata": {"name": "wrong"}, "spec": wrong})
    report = access.run()
    found = {
        one["id"]: one["evidence"] for one in _audit(access.site)["findings"] if one["check"].startswith("network-")
    }
    assert found == {
        "network-open:shop": "ingress: web; egress: web",
        "network-selects-nothing:shop": "wrong (app=wbe)",
        "network-label-nobody:shop": "wrong: ingress from pods app=db",
    }
    assert report.plan is not None
    untried = (
        "whether the network enforces NetworkPolicies: the profile has no ssh and nodes, so no connection was tried"
    )
    assert untried in [one.problem for one in report.plan.cautions]
    access.take(f"{policies}/wrong")
    access.give(policies, {"metadata": {"name": "default"}, "spec": {"podSelector": {}, **walls}})
    access.give(*cluster_policies())
    others = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies"
    wait_until(lambda: access.cluster.api.is_fine(others), 60.0, "the API serves the kind")
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    access.give(others, {**kind, "metadata": {"name": "all"}})
    access.run()
    audit = _audit(access.site)
    assert [one["id"] for one in audit["findings"] if one["check"].startswith("network-")] == []
    told = "1 clusternetworkpolicies.policy.networking.k8s.io object: the audit evaluates NetworkPolicies alone"
    assert told in audit["not_checked"]
