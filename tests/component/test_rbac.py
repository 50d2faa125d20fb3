"""Who may do what: our answers are those of a real API server, for rules and questions that nobody chose."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.access.models.rights import MASTERS, Identity, Question, Rbac
from tasks.access.policy.rbac import is_allowed, who_can
from tasks.access.probes import rbac as probe
from tests.facts.access import binding, cluster_binding, cluster_role, role, rule, user
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import wait_until
from tests.servers.rbac import NAMESPACES, RBAC, Random, make_namespaces

ROLES = 60
AT_ONCE = 12
LIMIT = 150.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        make_namespaces(cluster)
        yield cluster


def _api_allows(cluster: ControlPlane, who: Identity, asked: Question) -> bool:
    answer = cluster.api.create(probe.REVIEWS, probe.review_of(who, asked))
    return probe.judgement_in(answer).allowed


def _read(cluster: ControlPlane) -> Rbac:
    lists = (probe.ROLES, probe.CLUSTER_ROLES, probe.BINDINGS, probe.CLUSTER_BINDINGS)
    roles, cluster_roles, bindings, cluster_bindings = (cluster.api.get(path)["items"] for path in lists)
    return probe.parse_rbac(roles, cluster_roles, [*bindings, *cluster_bindings])


def _make(cluster: ControlPlane, made: Random) -> Rbac:
    """Write the rules, the last ones of each kind for a user of their own, and wait until the API server reads these."""
    for path, body in made.objects(ROLES):
        cluster.api.create(path, body)
    last, here = f"last{made.seed}", NAMESPACES[0]
    cluster.api.create(f"{RBAC}/clusterroles", cluster_role(last, rule("get", "pods")))
    cluster.api.create(f"{RBAC}/namespaces/{here}/roles", role(here, last, rule("list", "pods")))
    cluster.api.create(f"{RBAC}/clusterrolebindings", cluster_binding(last, last, user(last)))
    cluster.api.create(f"{RBAC}/namespaces/{here}/rolebindings", binding(here, last, ("Role", last), user(last)))
    asked = [Question(verb=verb, resource="pods", namespace=here) for verb in ("get", "list")]
    who = Identity(user=last)
    wait_until(lambda: all(_api_allows(cluster, who, one) for one in asked), LIMIT, "the rules are read")
    return _read(cluster)


@pytest.mark.parametrize("pairs", [1500, pytest.param(10_000, marks=pytest.mark.full)])
def test_our_answers_are_the_api_servers(cluster: ControlPlane, pairs: int) -> None:
    """For random rules, users, groups, ServiceAccounts, resources, names and URLs; no difference at all."""
    made = Random(random.SystemRandom().randrange(10**6))
    print(f"seed {made.seed}")
    rbac = _make(cluster, made)
    asked = [(made.identity(), made.question()) for _ in range(pairs)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda pair: _api_allows(cluster, *pair), asked))
    wrong = [
        (who, question, allowed)
        for (who, question), allowed in zip(asked, answers, strict=True)
        if is_allowed(rbac, who, question) is not allowed or _is_holder(rbac, who, question) is not allowed
    ]
    assert wrong == [], f"seed {made.seed}"
    print(f"{pairs} answers, {sum(answers)} of them yes")
    assert pairs / 20 < sum(answers) < pairs * 19 / 20, "questions with only one answer show nothing"


def _is_holder(rbac: Rbac, who: Identity, asked: Question) -> bool:
    """By `who_can`: is the user, or one of its groups, among those who can?"""
    holders = {one.subject.label for one in who_can(rbac, asked) if not one.names}
    account = who.user.removeprefix("system:serviceaccount:").replace(":", "/")
    own = {f"User:{who.user}", f"ServiceAccount:{account}", *(f"Group:{one}" for one in who.groups)}
    return MASTERS in who.groups or bool(holders & own)
