"""What the objects of a policy mean: for its subjects, for what others give them, and for the matrix."""

from typing import Any

from tasks.access.models.audit import Asked, Judged
from tasks.access.models.declared import Kind
from tasks.access.models.policy import AccessPolicy
from tasks.access.models.rights import Rbac
from tasks.access.policy.declared import declare
from tasks.access.policy.matrix import cells_of
from tasks.access.probes.rbac import parse_rbac
from tasks.access_apply.policy.expected import (
    Expected,
    expect,
    find_contradictions,
    find_dangers,
    find_extras,
    find_missing,
    find_staying,
    tell_cells,
    tell_danger,
)
from tests.facts.access import account, binding, cluster_binding, cluster_role, group, role, rule, user
from tests.facts.access_apply import KNOWN, place, policy, right, wanted

SPACES = frozenset({"shop", "ops"})
NOTHING = Rbac({}, ())


def rbac(*bindings: dict[str, Any], roles: tuple[dict[str, Any], ...] = ()) -> Rbac:
    """What is in the cluster, with two ClusterRoles."""
    everywhere = [cluster_role("secrets", rule("get", "secrets")), cluster_role("pods", rule("get", "pods"))]
    return parse_rbac(roles, everywhere, bindings)


def expected(one: AccessPolicy, now: Rbac = NOTHING) -> Expected:
    """Nothing is removed."""
    return expect(now, declare(one, KNOWN).objects, [])


def asked_of(one: AccessPolicy, then: Expected) -> tuple[Asked, ...]:
    """Its cells."""
    return cells_of(one, KNOWN, SPACES, then.after)


ANSWERS = {"+": True, "-": False, "?": None}


def judged(asked: tuple[Asked, ...], answers: str) -> tuple[Judged, ...]:
    """As the API server answers them: + is allowed, - is denied, ? was not checked."""
    return tuple(
        Judged(**one.cell.model_dump(), allowed=ANSWERS[answer]) for one, answer in zip(asked, answers, strict=True)
    )


def test_after_the_run_there_are_the_policys_objects_and_those_of_others() -> None:
    """An object of ours is there once, as the policy wants it; what is removed is gone."""
    old = binding("shop", "kube-runbooks:user:ada", ("Role", "old"), user("eve"))
    gone = binding("shop", "kube-runbooks:user:bob", ("Role", "old"), user("bob"))
    foreign, everywhere = binding("ops", "x", ("ClusterRole", "pods"), user("ada")), cluster_binding("y", "pods")
    now = rbac(old, gone, foreign, everywhere, roles=(role("shop", "old", rule("get", "secrets")),))
    removed = [place(Kind.BINDING, "kube-runbooks:user:bob"), place(Kind.ROLE, "old")]
    then = expect(now, wanted(), removed)
    assert [one.metadata.name for one in then.after.bindings] == ["x", "y", "kube-runbooks:user:ada"]
    assert then.after.bindings[2].subjects[0].name == "ada"
    assert [one.metadata.name for one in then.foreign] == ["x", "y"]
    assert ("Role", "shop", "old") not in then.after.roles
    assert then.after.roles["Role", "shop", "kube-runbooks:user:ada"][0].resources == ("pods",)


def test_what_the_policy_needs_and_does_not_exist_is_a_refusal() -> None:
    """A namespace, a role, and a ServiceAccount: a binding of what does not exist is a gift to whoever makes it."""
    roles = [
        {"role": "pods"},
        {"role": "view", "namespaces": ["shop"]},
        {"role": "ci", "kind": "Role", "namespaces": ["ops"]},
    ]
    one = policy(users=[{"name": "ada", "can": [right("get", "pods", "gone")], "roles": roles}])
    objects = declare(one, KNOWN).objects
    found = list(find_missing(objects, expect(rbac(), objects, []), SPACES, ["shop/ci"]))
    assert [(line.subject, line.problem) for line in found] == [
        ("Namespace gone", "it does not exist, and User:ada has rights there"),
        ("Role ops/ci", "it does not exist, and User:ada has it by the policy"),
        ("ClusterRole view", "it does not exist, and User:ada has it by the policy"),
        ("ServiceAccount shop/ci", "it does not exist, and the policy gives it rights"),
    ]
    assert found[0].next_step == "`kubectl create namespace gone`, or correct the cluster's access.yaml"
    assert found[3].next_step.startswith("`kubectl -n shop create serviceaccount ci`")
    token = {"name": "ada", "access": {"recipient": "age1dm6j8cf58rrmy3ky2p4synjqavs0v4yxz30rcq3w2vre878ryg0syawt0s"}}
    objects = wanted(users=[token])
    assert list(find_missing(objects, expect(rbac(), objects, []), SPACES, [])) == []


def test_a_policy_that_gives_what_it_forbids_is_refused() -> None:
    """By a role that exists, which only the cluster knows. A foreign binding is no contradiction."""
    cannot = [right("get", "secrets", "shop"), right("get", "nodes")]
    one = policy(users=[{"name": "ada", "roles": [{"role": "secrets"}], "cannot": cannot}])
    then = expected(one, rbac())
    (found,) = find_contradictions(asked_of(one, then), then)
    assert (found.subject, found.problem) == (
        "User:ada",
        "the policy itself gives what it forbids: get secrets in shop",
    )
    one = policy(users=[{"name": "ada", "cannot": cannot}])
    then = expected(one, rbac(binding("shop", "x", ("ClusterRole", "secrets"), user("ada"))))
    assert list(find_contradictions(asked_of(one, then), then)) == []
    masters = policy(users=[], groups=[{"name": "system:masters", "cannot": cannot}])
    then = expected(masters, rbac())
    assert list(find_contradictions(asked_of(masters, then), then)) == []


def test_a_cell_fails_before_the_run_and_holds_after_it_or_stays() -> None:
    """It stays if others give the right, if another authorizer decides, or if the API does not have it."""
    ada = {"name": "ada", "can": [right("get", "pods", "shop")], "cannot": [right("get", "secrets,podz,nodes")]}
    one = policy(users=[ada])
    now = rbac(binding("shop", "x", ("ClusterRole", "secrets"), user("ada")))
    then = expected(one, now)
    asked = asked_of(one, then)
    cells = judged(asked, "--+?+")
    assert [cell.right for cell in cells] == ["get pods", "get secrets", "get secrets", "get podz", "get nodes"]
    stay = find_staying(asked, cells, now, then.after)
    assert stay == ("User:ada get secrets in shop", "User:ada get podz", "User:ada get nodes")
    corrected, not_corrected = tell_cells(cells, stay)
    assert (
        corrected.problem
        == "cells of the matrix that fail: allow get pods in shop; the objects of the policy correct them"
    )
    assert corrected.basis == "cells of the matrix fail, and the objects of the policy correct them"
    assert "deny get secrets in shop, deny get podz, deny get nodes; they will still fail" in not_corrected.problem
    denied = judged(asked, "---?-")
    assert "User:ada get pods in shop" in find_staying(asked, denied, then.after, then.after)
    assert list(tell_cells(judged(asked, "+----"), ())) == []


def test_a_foreign_binding_that_gives_more_than_the_policy_is_a_finding() -> None:
    """One that gives the same, or less, is none. Kubernetes' own groups have more anyway."""
    bindings = (
        binding("shop", "same", ("ClusterRole", "pods"), user("ada")),
        binding("ops", "elsewhere", ("ClusterRole", "pods"), user("ada")),
        cluster_binding("wide", "secrets", user("ada"), user("eve")),
        binding("shop", "gone", ("Role", "gone"), user("ada")),
        binding("shop", "other", ("ClusterRole", "secrets"), user("eve"), account("shop", "ci")),
        cluster_binding("everybody", "secrets", group("system:authenticated")),
        binding("shop", "urls", ("ClusterRole", "urls"), user("ada")),
    )
    named = cluster_role("urls", {"verbs": ["get"], "nonResourceURLs": ["/x"]}, rule("get", "pods", names=["a"]))
    now = parse_rbac(
        [],
        [named, cluster_role("secrets", rule("get", "secrets")), cluster_role("pods", rule("get", "pods"))],
        bindings,
    )
    one = policy(groups=[{"name": "system:authenticated"}])
    found = list(find_extras(one, expected(one, now)))
    assert [
        (line.subject, line.problem.partition(", which")[0], line.problem.rpartition(": ")[2]) for line in found
    ] == [
        ("User:ada", "RoleBinding ops/elsewhere of ClusterRole pods", "get pods"),
        ("User:ada", "ClusterRoleBinding wide of ClusterRole secrets", "get secrets"),
        ("User:ada", "RoleBinding shop/urls of ClusterRole urls", "get /x"),
    ]
    assert "`kubectl -n ops edit rolebinding elsewhere`" in found[0].next_step
    assert "`kubectl edit clusterrolebinding wide`" in found[1].next_step


def test_a_dangerous_object_of_the_policy_is_a_loud_warning() -> None:
    """Also if the policy accepts it: then with the reason."""
    one = policy(users=[{"name": "ada", "roles": [{"role": "secrets"}]}])
    (danger,) = find_dangers(expected(one, rbac(cluster_binding("y", "secrets", user("eve")))))
    told = tell_danger(danger)
    assert told.subject == "User:ada"
    assert told.problem.startswith("DANGER (high): it can read Secrets everywhere")
    assert "accept read-secrets:User:ada:* in the cluster's access.yaml" in told.next_step
    told = tell_danger(danger.model_copy(update={"accepted": "on call (until 2027-01-01)"}))
    assert told.problem.endswith("; accepted: on call (until 2027-01-01)")
    assert told.next_step == ""
