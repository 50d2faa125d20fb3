"""One object of the policy and the one in the cluster: what changes, and what is refused."""

import pytest

from tasks.access.models.declared import GIVEN_TO, Kind, Wanted
from tasks.access_apply.models import Act, Change
from tasks.access_apply.policy.compare import Tried, compare, foreign, in_deletion_order, is_ours, removed
from tasks.access_apply.policy.differences import rule_words
from tasks.core.models.outside import AccessObject, PolicyRule
from tasks.core.models.plan import Refusal
from tests.facts.access import RECIPIENT
from tests.facts.access_apply import change, live, place, wanted

ROLE, BINDING = wanted()
SECRETS = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}


def would_be(one: Wanted, **changes: object) -> Tried:
    """A dry run that the API server takes."""
    return Tried(200, live(one, **changes))


def test_an_object_that_does_not_exist_is_created_with_all_that_it_gives() -> None:
    """And has no version yet."""
    made = compare(BINDING, None, would_be(BINDING))
    assert isinstance(made, Change)
    assert (made.act, made.difference) == (Act.CREATE, ("+ role Role kube-runbooks:user:ada", "+ User:ada"))
    assert (made.body, made.version.uid) == (BINDING.body, "")


def test_an_object_that_the_dry_run_leaves_as_it_is_is_no_change() -> None:
    """Whatever others have put beside it."""
    now = live(ROLE, metadata={"annotations": {"site": "x"} | ROLE.body["metadata"]["annotations"]})
    assert compare(ROLE, now, Tried(200, now)) is None


def test_a_change_has_what_comes_and_what_goes() -> None:
    """With the version that was read."""
    now = live(
        ROLE, rules=[SECRETS, *ROLE.body["rules"]], metadata={"labels": ROLE.body["metadata"]["labels"] | {"x": "y"}}
    )
    found = compare(ROLE, now, would_be(ROLE))
    assert isinstance(found, Change)
    assert (found.act, found.difference) == (Act.CHANGE, ("- get secrets", "~ labels x"))
    assert (found.version.uid, found.version.resource_version) == ("u1", "7")
    subject = [{"kind": "ServiceAccount", "name": "ci", "namespace": "shop"}]
    found = compare(BINDING, live(BINDING, subjects=subject), would_be(BINDING))
    assert isinstance(found, Change)
    assert found.difference == ("+ User:ada", "- ServiceAccount:shop/ci")


def test_rules_in_another_order_are_the_same_rules() -> None:
    """Nobody has other rights then."""
    rules = [SECRETS, *ROLE.body["rules"]]
    assert compare(ROLE, live(ROLE, rules=rules), would_be(ROLE, rules=rules[::-1])) is None


def test_another_role_and_an_aggregation_are_replaced() -> None:
    """The API lets nobody change the first, and a controller would undo the change of the second."""
    other = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    found = compare(BINDING, live(BINDING, roleRef=other), Tried(422, None, "cannot change roleRef"))
    assert isinstance(found, Change)
    assert found.act is Act.REPLACE
    assert found.difference == ("+ role Role kube-runbooks:user:ada", "- role ClusterRole admin")
    (role, _) = wanted(users=[{"name": "ada", "can": [{"verbs": ["get"], "resources": ["nodes"]}]}])
    found = compare(role, live(role, aggregationRule={"clusterRoleSelectors": []}), would_be(role))
    assert isinstance(found, Change)
    assert (found.act, found.difference) == (Act.REPLACE, ("- rules of other roles (aggregationRule)",))


@pytest.mark.parametrize("labels", [{}, {GIVEN_TO: "user.ada"}, {"app.kubernetes.io/managed-by": "kube-runbooks"}])
def test_an_object_without_both_labels_is_foreign(labels: dict[str, str]) -> None:
    """It is never changed."""
    assert is_ours(live(ROLE))
    assert not is_ours(live(ROLE, metadata={"labels": labels}))
    found = foreign(ROLE.place)
    assert found.problem == "it exists, and kube-runbooks did not make it, so it is never changed"
    assert "`kubectl -n shop get role kube-runbooks:user:ada -o yaml`" in found.next_step
    assert "`kubectl get clusterrole x -o yaml`" in foreign(place(Kind.CLUSTER_ROLE, "x", "")).next_step


def test_a_refused_grant_names_the_missing_rights() -> None:
    """Each other refusal has the words of the API server."""
    told = 'roles "x" is forbidden: user "ops" is attempting to grant RBAC permissions not currently held:\n{Resources:["pods"]}\n{Resources:["secrets"]}'
    for now in (None, live(ROLE, rules=[])):
        found = compare(ROLE, now, Tried(403, None, told))
        assert isinstance(found, Refusal)
        assert found.subject == "Role shop/kube-runbooks:user:ada of User:ada"
        assert found.problem.endswith('cannot give them: {Resources:["pods"]}; {Resources:["secrets"]}')
    space = wanted(users=[{"name": "ada", "access": {"recipient": RECIPIENT}}])[0]
    found = compare(space, None, Tried(403, None, "you may not"))
    assert isinstance(found, Refusal)
    assert (found.subject, found.problem) == (
        "Namespace kube-runbooks-access",
        "the API server refuses it: you may not",
    )
    assert found.next_step.startswith("use a kubeconfig of an administrator")
    found = compare(space, None, Tried(422, None, "it is invalid"))
    assert isinstance(found, Refusal)
    assert found.next_step == "correct the cluster's access.yaml"


def test_what_has_to_be_there_first_may_be_made_first() -> None:
    """A binding whose role does not exist yet, and an object in a namespace that does not exist yet."""
    tried = Tried(404, None, "roles not found")
    assert isinstance(compare(BINDING, None, tried), Refusal)
    assert isinstance(compare(BINDING, None, tried, {place(Kind.ROLE, ROLE.name, "ops")}), Refusal)
    assert isinstance(compare(BINDING, None, tried, {ROLE.place}), Change)
    role, binding = wanted(users=[{"name": "ada", "can": [{"verbs": ["get"], "resources": ["nodes"]}]}])
    assert isinstance(compare(binding, None, tried, {role.place}), Change)
    space, account = wanted(users=[{"name": "ada", "access": {"recipient": RECIPIENT}}])
    assert isinstance(compare(account, None, tried, {space.place}), Change)


def test_what_the_policy_no_longer_has_is_deleted_bindings_first() -> None:
    """With the subject that it was for; if that is lost, with our label."""
    gone = removed(BINDING.place, live(BINDING))
    assert (gone.act, gone.subject, gone.body) == (Act.DELETE, "User:ada", {})
    assert gone.difference == ("- role Role kube-runbooks:user:ada", "- User:ada")
    assert removed(ROLE.place, live(ROLE, metadata={"annotations": {}})).subject == "user.ada"
    account = change(Act.DELETE, kind=Kind.ACCOUNT)
    everywhere = change(Act.DELETE, kind=Kind.CLUSTER_BINDING)
    order = in_deletion_order([account, removed(ROLE.place, live(ROLE)), gone, everywhere])
    assert [one.kind for one in order] == [Kind.CLUSTER_BINDING, Kind.BINDING, Kind.ROLE, Kind.ACCOUNT]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}, "get, list pods"),
        ({"verbs": ["get"], "apiGroups": ["", "apps"], "resources": ["*"]}, "get * of v1, apps"),
        ({"verbs": ["get"], "nonResourceURLs": ["/a", "/b"]}, "get /a, /b"),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"]},
            "get pods, only a, b",
        ),
    ],
)
def test_a_rule_is_readable(rule: dict[str, list[str]], words: str) -> None:
    """As people write rights."""
    assert rule_words(PolicyRule.read(rule, "a rule")) == words


def test_null_lists_are_empty() -> None:
    """As Go writes them."""
    assert AccessObject.read({"metadata": {"name": "x"}, "rules": None, "subjects": None}, "x").rules == ()
