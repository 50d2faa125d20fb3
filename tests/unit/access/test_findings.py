"""Which rights are findings: what Kubernetes and kubeadm give is known, anything else is named with its binding and a fix."""

from datetime import date
from typing import Any

import pytest

from tasks.access.models.audit import Finding, Sample, Severity
from tasks.access.models.policy import Accepted
from tasks.access.models.rights import Question, Rbac
from tasks.access.policy import credentials, known
from tasks.access.policy.dangers import DANGERS, EVERYTHING
from tasks.access.policy.findings import find_disagreements, find_everyone, find_rights, remove
from tasks.access.policy.sample import EACH, choose
from tasks.access.probes.rbac import parse_rbac
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.core.models.outside import Named
from tests.facts.access import Object, account, binding, cluster_binding, cluster_role, group, rule, user

ALL = rule("*", "*", group="*")


def rbac_of(roles: list[Object], *bindings: Object) -> Rbac:
    """ClusterRoles and bindings."""
    return parse_rbac([], roles, bindings)


def ids(rbac: Rbac) -> dict[str, str]:
    """Of the findings, with their severity."""
    return {one.id: str(one.severity) for one in find_rights(rbac)}


def test_everything_comes_first_because_it_implies_the_others() -> None:
    """The order of the table decides that."""
    assert DANGERS[0].id == EVERYTHING
    assert len({one.id for one in DANGERS}) == len(DANGERS)


@pytest.mark.parametrize("danger", DANGERS[1:], ids=lambda one: one.id)
def test_each_right_of_a_danger_is_a_finding_by_itself(danger: Any) -> None:  # noqa: ANN401 - a row of the table
    """Everywhere and, if its objects are in namespaces, in one namespace."""
    for asked in danger.questions:
        below = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        roles = [cluster_role("r", rule(asked.verb, below, group=asked.group))]
        everywhere = rbac_of(roles, cluster_binding("b", "r", user("ada")))
        assert f"{danger.id}:User:ada:*" in ids(everywhere)
        here = ids(rbac_of(roles, binding("shop", "b", ("ClusterRole", "r"), user("ada"))))
        assert (f"{danger.id}:User:ada:shop" in here) is (asked in danger.asked)


def test_who_can_do_everything_has_one_finding() -> None:
    """In its place: a namespace of a wildcard, a thing everywhere and the same in a namespace."""
    roles = [cluster_role("all", ALL), cluster_role("some", rule("get", "secrets"))]
    rbac = rbac_of(
        roles,
        cluster_binding("b1", "all", user("root")),
        binding("shop", "b2", ("ClusterRole", "all"), user("root"), user("owner")),
        binding("shop", "b3", ("ClusterRole", "some"), user("owner"), user("reader")),
        binding("ops", "b4", ("ClusterRole", "some"), user("owner")),
        cluster_binding("b5", "some", user("reader")),
    )
    assert ids(rbac) == {
        "everything:User:root:*": "high",
        "everything:User:owner:shop": "high",
        "read-secrets:User:owner:ops": "medium",
        "read-secrets:User:reader:*": "high",
    }


def test_a_finding_names_its_bindings_and_the_command_that_removes_one() -> None:
    """For a binding of the cluster and of a namespace."""
    roles = [cluster_role("r", rule("get", "secrets"))]
    (found,) = find_rights(rbac_of(roles, *(cluster_binding(f"b{i}", "r", user("ada")) for i in range(5))))
    assert found.problem == (
        "it can read Secrets everywhere: Secrets have passwords, keys and tokens; list and watch return their content too"
    )
    assert found.evidence == (
        "ClusterRoleBinding b0 of ClusterRole r, ClusterRoleBinding b1 of ClusterRole r, "
        "ClusterRoleBinding b2 of ClusterRole r and 2 more"
    )
    assert found.fix == "give it a smaller role, or `kubectl delete clusterrolebinding b0`"
    assert remove("RoleBinding shop/b") == "`kubectl -n shop delete rolebinding b`"


def test_a_right_for_some_names_counts_where_the_name_is_the_power() -> None:
    """For example signers and impersonation, not Secrets."""
    roles = [
        cluster_role(
            "r",
            rule("get", "secrets", names=["a"]),
            rule("approve", "signers", group="certificates.k8s.io", names=["example.org/x"]),
        )
    ]
    assert ids(rbac_of(roles, cluster_binding("b", "r", user("ada")))) == {"approve-certificates:User:ada:*": "high"}


GC = "system:controller:generic-garbage-collector"


def test_a_default_is_known_by_its_binding_its_role_its_subject_and_its_rights() -> None:
    """Another subject in a default binding, and a right that its role did not have, are findings."""
    collector = account("kube-system", "generic-garbage-collector")
    reads = [cluster_role(GC, rule("get", "secrets"))]
    assert ids(rbac_of(reads, cluster_binding(GC, GC, collector))) == {}
    assert ids(rbac_of(reads, cluster_binding("other", GC, collector))) != {}
    assert list(ids(rbac_of(reads, cluster_binding(GC, GC, collector, user("eve"))))) == ["read-secrets:User:eve:*"]
    more = [cluster_role(GC, rule("create", "pods"))]
    name = "ServiceAccount:kube-system/generic-garbage-collector"
    assert list(ids(rbac_of(more, cluster_binding(GC, GC, collector)))) == [f"create-pods:{name}:*"]
    admins = cluster_binding("kubeadm:cluster-admins", "cluster-admin", group("kubeadm:cluster-admins"))
    assert ids(rbac_of([cluster_role("cluster-admin", ALL)], admins)) == {}
    kubelets = cluster_role("system:kubelet-api-admin", rule("*", "nodes/proxy"))
    client = user("kube-apiserver-kubelet-client")
    of_kubeadm = cluster_binding("kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", client)
    assert ids(rbac_of([kubelets], of_kubeadm)) == {}
    assert list(ids(rbac_of([kubelets], cluster_binding("mine", "system:kubelet-api-admin", client)))) == [
        "use-nodes:User:kube-apiserver-kubelet-client:*"
    ]


def test_a_right_of_everyone_is_a_finding_whatever_it_allows() -> None:
    """Unless Kubernetes or kubeadm itself gives it."""
    info = ("Role", "kubeadm:bootstrap-signer-clusterinfo")
    rbac = rbac_of(
        [],
        cluster_binding("system:discovery", "system:discovery", group("system:authenticated")),
        binding("kube-public", "kubeadm:bootstrap-signer-clusterinfo", info, user("system:anonymous")),
        cluster_binding("odd", "view", group("system:authenticated"), group("dev")),
        cluster_binding("system:basic-user", "view", group("system:authenticated")),
        binding("shop", "open", ("ClusterRole", "view"), user("system:anonymous")),
    )
    found = {one.id: one for one in find_everyone(rbac)}
    assert {one.id: str(one.severity) for one in found.values()} == {
        "everyone:Group:system:authenticated:ClusterRoleBinding:odd": "medium",
        "everyone:Group:system:authenticated:ClusterRoleBinding:system:basic-user": "medium",
        "everyone:User:system:anonymous:RoleBinding:shop/open": "high",
    }
    every, _, stranger = found.values()
    assert every.problem == "every member of Group:system:authenticated has ClusterRole view"
    assert stranger.problem == "whoever reaches the API, without logging in, has ClusterRole view"
    assert stranger.fix == "bind the users who need it, then `kubectl -n shop delete rolebinding open`"


@pytest.mark.parametrize(
    ("by_rules", "by_server", "problem"),
    [
        (True, True, ""),
        (False, False, ""),
        (False, True, "the API server allows it (get pods), and RBAC refuses it"),
        (True, False, "the API server refuses it (get pods), and RBAC allows it"),
    ],
)
def test_an_answer_that_differs_is_a_finding(*, by_rules: bool, by_server: bool, problem: str) -> None:
    """Another authorizer decides too, or the rules were read at another moment."""
    asked = Question(verb="get", resource="pods")
    sample = Sample(subject="User:ada", question=asked, by_rules=by_rules, by_server=by_server)
    found = list(find_disagreements([sample]))
    assert [one.problem for one in found] == ([problem] if problem else [])
    assert all(one.id == "disagrees:User:ada:get:pods:*" for one in found)


def test_a_sample_has_rights_that_are_held_and_others_and_changes_with_its_seed() -> None:
    """Never more than twice the limit."""
    roles = [cluster_role("r", rule("get", "secrets")), cluster_role("n", rule("get", "secrets", names=["a"]))]
    users = [user(f"u{index}") for index in range(200)]
    rbac = rbac_of(
        roles,
        cluster_binding("b", "r", *users),
        binding("shop", "c", ("ClusterRole", "r"), user("here")),
        cluster_binding("d", "n", user("named")),
    )
    one, two = choose(rbac, "one"), choose(rbac, "two")
    reads = Question(verb="get", resource="secrets")
    assert EACH < len(one) <= 2 * EACH
    assert sum(question == reads for _, question in one) >= EACH - 1
    assert one == choose(rbac, "one")
    assert one != two


def test_a_token_secret_is_a_finding_with_its_last_use() -> None:
    """One that the API server has made invalid does less harm."""
    labels = {
        "kubernetes.io/legacy-token-last-used": "2026-11-01",
        "kubernetes.io/legacy-token-invalid-since": "2026-11-20",
    }
    secrets = [
        {"metadata": {"name": "a", "namespace": "n"}},
        {"metadata": {"name": "b", "namespace": "n", "labels": labels}},
    ]
    new, old = credentials.find_tokens(Named.read(one, "secret") for one in secrets)
    assert (new.severity, new.evidence) == (Severity.MEDIUM, "never used since Kubernetes records it")
    assert (old.severity, old.evidence) == (Severity.LOW, "last used 2026-11-01, invalid since 2026-11-20")
    assert old.id == "legacy-token:n/b"


def test_a_certificate_of_system_masters_is_a_finding() -> None:
    """kubeadm's own emergency credential is one that belongs elsewhere. A node that did not answer is named."""

    def certificate(name: str, subject: str) -> Certificate:
        return Certificate(node="cp1", path=f"/pki/{name}", kind=Kind.KUBECONFIG, name=name, subject=subject)

    nodes = [
        NodeCertificates(
            name="cp1",
            certificates=(
                certificate("super-admin.conf", "CN=kubernetes-super-admin,O=system:masters"),
                certificate("old.conf", "O=system:masters,CN=admin"),
                certificate("admin.conf", "CN=kubernetes-admin,O=kubeadm:cluster-admins"),
                certificate("trick", "CN=x,O=system:masters2"),
            ),
        ),
        NodeCertificates(name="cp2", unreached="no route"),
    ]
    found = list(credentials.find_masters(nodes))
    assert [(one.id, one.severity) for one in found] == [
        ("masters:cp1:/pki/super-admin.conf", Severity.LOW),
        ("masters:cp1:/pki/old.conf", Severity.MEDIUM),
    ]
    assert credentials.unreached(nodes) == ("certificates of system:masters on cp2: no route",)


def finding(name: str) -> Finding:
    """With that id."""
    return Finding(id=name, check="c", severity=Severity.HIGH, subject="s", problem="p", fix="f")


def test_an_acceptance_holds_through_its_last_day() -> None:
    """After it the finding is one again and says so. An acceptance of nothing is named."""
    accepted = [Accepted(finding=one, reason="known", expires=date(2026, 12, 31)) for one in ("a", "gone")]
    last, _ = known.accept([finding("a"), finding("b")], accepted, today=date(2026, 12, 31))
    assert last.accepted == "known (until 2026-12-31)"
    after, other = known.accept([finding("a"), finding("b")], accepted, today=date(2027, 1, 1))
    assert (after.accepted, after.problem) == ("", "p; the policy accepted it until 2026-12-31")
    assert (other.accepted, other.problem) == ("", "p")
    assert known.unused([finding("a")], accepted) == ("gone",)


def test_findings_are_compared_with_the_previous_audit() -> None:
    """By their ids."""
    marked, gone = known.compare([finding("a"), finding("b")], frozenset({"b", "c"}))
    assert [(one.id, one.is_new) for one in marked] == [("a", True), ("b", False)]
    assert gone == ("c",)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"findings": [{"id": "a"}, {"id": "b"}]}, frozenset({"a", "b"})),
        ({"findings": []}, frozenset()),
        ({"findings": "many"}, None),
        ({}, None),
        ({"findings": [{"name": "a"}, "b"]}, frozenset()),
    ],
)
def test_the_ids_of_an_old_report_are_read_whatever_is_in_it(
    evidence: dict[str, Any], expected: frozenset[str] | None
) -> None:
    """No audit in it is something else than an audit without findings."""
    assert known.ids_in(evidence) == expected
