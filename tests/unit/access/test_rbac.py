"""Who may do what by roles and bindings: the API server's own truth table."""

import pytest

from tasks.access.models.rights import Identity, Question, Rbac, Subject
from tasks.access.policy.rbac import holders, is_allowed, who_can
from tasks.access.probes.rbac import judgement_in, parse_rbac, review_of
from tasks.core.errors import NotYet
from tests.facts.access import account, binding, cluster_binding, cluster_role, group, role, rule, user

ADA = Identity(user="ada", groups=("system:authenticated",))


def rbac_of(*rules: dict[str, object]) -> Rbac:
    """ada has a ClusterRole with these rules everywhere."""
    return parse_rbac([], [cluster_role("r", *rules)], [cluster_binding("b", "r", user("ada"))])


TABLE: list[tuple[dict[str, object], Question, bool]] = [
    (rule("get", "pods"), Question(verb="get", resource="pods"), True),
    (rule("get", "pods"), Question(verb="list", resource="pods"), False),
    (rule("get", "pods"), Question(verb="get", resource="pods", group="apps"), False),
    (rule("*", "*", group="*"), Question(verb="use", resource="x", subresource="y", group="z"), True),
    (rule("get", "pods"), Question(verb="get", resource="pods", subresource="log"), False),
    (rule("get", "pods/log"), Question(verb="get", resource="pods"), False),
    (rule("get", "pods/log"), Question(verb="get", resource="pods", subresource="log"), True),
    (rule("get", "*/scale", group="*"), Question(verb="get", resource="x", subresource="scale", group="y"), True),
    (rule("get", "*/scale"), Question(verb="get", resource="x", subresource="status"), False),
    (rule("get", "*/"), Question(verb="get", resource="x"), False),
    (rule("get", "services/*"), Question(verb="get", resource="services", subresource="status"), False),
    (rule("get", "services/*"), Question(verb="get", resource="services"), False),
    (rule("get", "pods"), Question(verb="get", resource="*"), False),
    (rule("get", "*"), Question(verb="get", resource="*"), True),
    (rule("get", "pods"), Question(verb="*", resource="pods"), False),
    (rule("get", "secrets", names=["a"]), Question(verb="get", resource="secrets", name="a"), True),
    (rule("get", "secrets", names=["a"]), Question(verb="get", resource="secrets", name="b"), False),
    (rule("get", "secrets", names=["a"]), Question(verb="get", resource="secrets"), False),
    (rule("list", "secrets", names=["a"]), Question(verb="list", resource="secrets", name="a"), True),
    ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, Question(verb="get", url="/logs/kubelet"), True),
    ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, Question(verb="get", url="/logs"), False),
    ({"verbs": ["get"], "nonResourceURLs": ["/logs**"]}, Question(verb="get", url="/logs/kubelet"), True),
    ({"verbs": ["get"], "nonResourceURLs": ["*/kubelet"]}, Question(verb="get", url="/logs/kubelet"), False),
    ({"verbs": ["get"], "nonResourceURLs": ["*"]}, Question(verb="get", url="/logs"), True),
    ({"verbs": ["get"], "nonResourceURLs": ["/logs"]}, Question(verb="get", url="/logs"), True),
    (rule("*", "*", group="*"), Question(verb="get", url="/logs"), False),
]


@pytest.mark.parametrize(("written", "asked", "allowed"), TABLE)
def test_a_rule_allows_what_the_api_server_reads_in_it(
    written: dict[str, object],
    asked: Question,
    allowed: bool,  # noqa: FBT001 - the table's column
) -> None:
    """Exact words or a star; subresources are apart; a name only where it is asked for."""
    assert is_allowed(rbac_of(written), ADA, asked) is allowed


def test_system_masters_may_do_everything_without_a_rule() -> None:
    """The API server decides that before it reads a rule."""
    masters = Identity(user="x", groups=("system:masters",))
    assert is_allowed(parse_rbac([], [], []), masters, Question(verb="delete", resource="nodes"))


GET = Question(verb="get", resource="pods", namespace="shop")


def test_a_binding_in_a_namespace_gives_a_role_or_a_cluster_role_there_only() -> None:
    """Also if a Role of the same name is elsewhere, or does not exist."""
    rbac = parse_rbac(
        [role("shop", "reads", rule("get", "pods")), role("other", "absent", rule("get", "pods"))],
        [cluster_role("reads", rule("list", "pods"))],
        [
            binding("shop", "b1", ("Role", "reads"), user("ada")),
            binding("shop", "b2", ("ClusterRole", "reads"), group("dev")),
            binding("shop", "b3", ("Role", "absent"), user("eve")),
        ],
    )
    dev = Identity(user="bob", groups=("dev",))
    assert is_allowed(rbac, ADA, GET)
    assert not is_allowed(rbac, ADA, GET.model_copy(update={"namespace": "other"}))
    assert not is_allowed(rbac, ADA, GET.model_copy(update={"namespace": ""}))
    assert is_allowed(rbac, dev, GET.model_copy(update={"verb": "list"}))
    assert not is_allowed(rbac, dev, GET)
    assert not is_allowed(rbac, Identity(user="eve"), GET)


def test_a_service_account_is_in_the_namespace_of_its_binding_unless_it_names_one() -> None:
    """And for a ClusterRoleBinding it is nobody without one. A user of its name is the same subject."""
    roles = [cluster_role("r", rule("get", "pods"))]
    rbac = parse_rbac(
        [],
        roles,
        [
            binding("shop", "own", ("ClusterRole", "r"), account("", "ci")),
            binding("shop", "user", ("ClusterRole", "r"), user("system:serviceaccount:build:runner")),
            cluster_binding("none", "r", account("", "lost"), {"kind": "Robot", "name": "x", "namespace": "y"}),
            cluster_binding("all", "r", account("ops", "bot"), user("system:serviceaccount:odd")),
        ],
    )
    ci = Subject(kind="ServiceAccount", name="ci", namespace="shop")
    assert is_allowed(rbac, ci.identity, GET)
    assert not is_allowed(rbac, Identity(user="system:serviceaccount::lost"), GET)
    assert not is_allowed(rbac, Identity(user="x"), GET)
    assert [one.subject.label for one in who_can(rbac, GET)] == [
        "ServiceAccount:shop/ci",
        "ServiceAccount:build/runner",
        "ServiceAccount:y/x",
        "ServiceAccount:ops/bot",
        "User:system:serviceaccount:odd",
    ]


def test_who_can_names_the_binding_the_role_and_the_names() -> None:
    """A right for some names is one for these names, unless a request of that verb has no name."""
    rbac = parse_rbac(
        [],
        [
            cluster_role("some", rule("get", "secrets", names=["b", "a"]), rule("create", "secrets", names=["a"])),
            cluster_role("exec", rule("create", "pods/exec", names=["web-0"])),
            cluster_role("all", rule("get", "secrets", names=["a"]), rule("get", "secrets")),
        ],
        [
            cluster_binding("c1", "some", user("ada")),
            binding("shop", "b1", ("ClusterRole", "all"), group("dev")),
            cluster_binding("c2", "exec", user("ada")),
        ],
    )
    some, every = who_can(rbac, Question(verb="get", resource="secrets", namespace="shop"))
    assert (some.namespace, some.evidence) == ("*", "ClusterRoleBinding c1 of ClusterRole some, only a, b")
    assert (every.namespace, every.evidence) == ("shop", "RoleBinding shop/b1 of ClusterRole all")
    assert who_can(rbac, Question(verb="get", resource="secrets")) == (some,)
    assert who_can(rbac, Question(verb="create", resource="secrets")) == ()
    assert [one.names for one in who_can(rbac, Question(verb="create", resource="pods", subresource="exec"))] == [
        ("web-0",)
    ]
    nobody_by_name = Question(verb="get", resource="secrets", name="c")
    assert who_can(rbac, nobody_by_name) == ()


def test_a_binding_in_a_namespace_gives_nothing_on_objects_without_one() -> None:
    """kubectl auth can-i says yes there, and no request can use it."""
    rbac = parse_rbac(
        [], [cluster_role("r", rule("get", "nodes"))], [binding("shop", "b", ("ClusterRole", "r"), user("ada"))]
    )
    asked = [Question(verb="get", resource="nodes")]
    assert [one.namespace for one in holders(rbac, asked)] == ["shop"]
    assert list(holders(rbac, asked, in_namespaces=False)) == []


@pytest.mark.parametrize(
    ("subject", "groups"),
    [
        (Subject(kind="User", name="ada"), ("system:authenticated",)),
        (Subject(kind="User", name="system:anonymous"), ("system:unauthenticated",)),
        (Subject(kind="Group", name="dev"), ("dev", "system:authenticated")),
        (Subject(kind="Group", name="system:unauthenticated"), ("system:unauthenticated",)),
        (
            Subject(kind="ServiceAccount", name="ci", namespace="shop"),
            ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"),
        ),
    ],
)
def test_the_api_server_gives_groups_of_its_own(subject: Subject, groups: tuple[str, ...]) -> None:
    """To whoever has logged in, and to every ServiceAccount."""
    assert subject.identity.groups == groups


def test_a_review_asks_about_one_identity_and_one_right() -> None:
    """Empty fields are left out: a group alone has no user."""
    asked = Question(verb="get", resource="pods", subresource="log", namespace="shop")
    assert review_of(Identity(groups=("dev",)), asked)["spec"] == {
        "groups": ["dev"],
        "resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "shop"},
    }
    assert review_of(ADA, Question(verb="get", url="/healthz"))["spec"] == {
        "user": "ada",
        "groups": ["system:authenticated"],
        "nonResourceAttributes": {"path": "/healthz", "verb": "get"},
    }


def test_the_answer_to_a_review_has_a_reason() -> None:
    """Or could not be parsed."""
    assert judgement_in({"status": {"allowed": True, "reason": "RBAC: allowed"}}).reason == "RBAC: allowed"
    with pytest.raises(NotYet, match="status.allowed: Field required"):
        judgement_in({"status": {}})


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Question(verb="get", resource="pods", subresource="log"), "get pods/log"),
        (Question(verb="get", resource="deployments", group="apps", subresource="scale"), "get deployments.apps/scale"),
        (Question(verb="get", url="/healthz"), "get /healthz"),
    ],
)
def test_a_question_reads_as_people_write_it(asked: Question, words: str) -> None:
    """With its group and its subresource."""
    assert asked.words == words
