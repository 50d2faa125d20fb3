"""Random access rules for a real API server, from a seed, and questions about them."""

import random
from collections.abc import Iterator
from typing import Any

from tasks.access.models.rights import Identity, Question
from tests.facts.access import account, binding, cluster_binding, cluster_role, group, role, user
from tests.servers.kubernetes import ControlPlane

RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMESPACES = ("shop", "build", "ops")
USERS = ("ada", "bob", "eve", "system:serviceaccount:shop:ci")
GROUPS = (
    "dev",
    "ops",
    "system:authenticated",
    "system:serviceaccounts",
    "system:serviceaccounts:shop",
    "system:masters",
)
ACCOUNTS = (("shop", "ci"), ("build", "runner"), ("", "ci"))
VERBS = ("get", "list", "create", "patch", "delete", "impersonate", "*")
API_GROUPS = ("", "apps", "rbac.authorization.k8s.io", "*")
RESOURCES = (
    "pods",
    "pods/log",
    "pods/exec",
    "secrets",
    "deployments",
    "deployments/scale",
    "services/*",
    "*/scale",
    "*/",
    "*",
)
NAMES = ("a", "b", "web-0")
URLS = ("/healthz", "/logs/*", "/logs**", "*/kubelet", "*", "/metrics/x")
ASKED_URLS = ("/healthz", "/logs", "/logs/", "/logs/kubelet", "/version", "/metrics/x", "*")

Object = dict[str, Any]


class Random:
    """Access rules and questions of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._draw = random.Random(seed)  # noqa: S311 - a test's numbers

    def some(self, words: tuple[str, ...], most: int = 3) -> list[str]:
        """One to `most` of them."""
        return self._draw.sample(words, self._draw.randint(1, min(most, len(words))))

    def one(self, words: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of any kind
        """One of them."""
        return self._draw.choice(words)

    def rule(self, *, urls: bool) -> Object:
        """Of resources, or sometimes of URLs where the API allows these."""
        if urls and self._draw.random() < 0.4:
            return {"verbs": self.some(VERBS), "nonResourceURLs": self.some(URLS, 2)}
        made: Object = {
            "verbs": self.some(VERBS),
            "apiGroups": self.some(API_GROUPS),
            "resources": self.some(RESOURCES),
        }
        return made | ({"resourceNames": self.some(NAMES)} if self._draw.random() < 0.3 else {})

    def rules(self, *, urls: bool) -> list[Object]:
        """None to three."""
        return [self.rule(urls=urls) for _ in range(self._draw.randint(0, 3))]

    def subjects(self, namespace: str) -> list[Object]:
        """None to three; a ServiceAccount of a ClusterRoleBinding must have a namespace."""
        made = []
        for _ in range(self._draw.randint(0, 3)):
            accounts = [account(*one) for one in ACCOUNTS if one[0] or namespace]
            made.append(self.one((user(self.one(USERS)), group(self.one(GROUPS[:-1])), self.one(tuple(accounts)))))
        return made

    def objects(self, count: int) -> Iterator[tuple[str, Object]]:
        """Yields roles and bindings with their paths; some bindings grant a role that is not there."""
        for index in range(count):
            name, namespace = f"r{self.seed}-{index}", self.one(NAMESPACES)
            other = f"r{self.seed}-{self._draw.randint(0, count + 2)}"
            yield f"{RBAC}/clusterroles", cluster_role(name, *self.rules(urls=True))
            yield f"{RBAC}/namespaces/{namespace}/roles", role(namespace, name, *self.rules(urls=False))
            of = (self.one(("Role", "ClusterRole")), other)
            bound = binding(namespace, name, of, *self.subjects(namespace))
            yield f"{RBAC}/namespaces/{namespace}/rolebindings", bound
            if index % 4 == 0:
                yield f"{RBAC}/clusterrolebindings", cluster_binding(name, other, *self.subjects(""))

    def identity(self) -> Identity:
        """A user with groups, who may be a ServiceAccount or nobody."""
        groups = self.some(GROUPS) if self._draw.random() < 0.5 else []
        who = self.one((*USERS, "system:serviceaccount:build:runner", "stranger", ""))
        return Identity(user=who, groups=tuple(groups or ([] if who else ["dev"])))

    def question(self) -> Question:
        """About a resource, or sometimes about a URL."""
        verb = self.one(VERBS)
        if self._draw.random() < 0.3:
            return Question(verb=verb, url=self.one(ASKED_URLS))
        resource, _, below = self.one((*RESOURCES, "nodes", "deployments/status")).partition("/")
        return Question(
            verb=verb,
            resource=resource,
            subresource=below,
            group=self.one(API_GROUPS),
            name=self.one(("", "", *NAMES)),
            namespace=self.one(("", *NAMESPACES, "elsewhere")),
        )


def make_namespaces(cluster: ControlPlane) -> None:
    """Those of the rules, on a new cluster."""
    for name in NAMESPACES:
        cluster.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
