"""What restored objects name, and what a plan says if nobody has it."""

from typing import Any

import pytest

from tasks.resources_restore.models import Key
from tasks.resources_restore.policy.references import missing_words, path_of, references_of
from tests.facts.resources_restore import body, target

POD: dict[str, Any] = {
    "serviceAccountName": "web",
    "imagePullSecrets": [{"name": "pull"}],
    "volumes": [
        {"name": "a", "configMap": {"name": "settings"}},
        {"name": "b", "secret": {"secretName": "tls"}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "d", "configMap": {"name": "maybe", "optional": True}},
        {
            "name": "e",
            "projected": {
                "sources": [
                    {"configMap": {"name": "kube-root-ca.crt"}},
                    {"secret": {"name": "token"}},
                    {"serviceAccountToken": {"path": "token"}},
                ]
            },
        },
        {"name": "f", "emptyDir": {}},
    ],
    "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "env"}}]}],
    "containers": [
        {
            "name": "web",
            "env": [
                {"name": "A", "value": "a"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "keys", "key": "b"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "password", "key": "c", "optional": False}}},
                {"name": "D", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "d", "optional": True}}},
            ],
        }
    ],
}
NAMED = {
    "ServiceAccount": {"web"},
    "Secret": {"pull", "tls", "token", "env", "password"},
    "ConfigMap": {"settings", "env", "keys"},
    "PersistentVolumeClaim": {"data"},
}


@pytest.mark.parametrize(
    ("kind", "group", "spec"),
    [
        ("Pod", "", POD),
        ("Deployment", "apps", {"template": {"spec": POD}}),
        ("Job", "batch", {"template": {"spec": POD}}),
        ("CronJob", "batch", {"jobTemplate": {"spec": {"template": {"spec": POD}}}}),
    ],
    ids=["pod", "deployment", "job", "cronjob"],
)
def test_pods_and_their_templates_name_what_they_need(kind: str, group: str, spec: dict[str, Any]) -> None:
    """Nothing that is optional, and nothing that every namespace gets."""
    one = target(kind, group=group)
    wanted = {Key("", found, "shop", name) for found, names in NAMED.items() for name in names}
    assert references_of(one, body(one, spec=spec)) == wanted


def test_other_kinds_name_secrets_and_accounts() -> None:
    """An account its pull Secrets, an Ingress its certificates, a binding its accounts, also of other namespaces."""
    account = target("ServiceAccount")
    assert references_of(account, body(account, imagePullSecrets=[{"name": "pull"}])) == {
        Key("", "Secret", "shop", "pull")
    }
    ingress = target("Ingress", group="networking.k8s.io")
    assert references_of(ingress, body(ingress, spec={"tls": [{"secretName": "tls"}, {"hosts": ["a"]}]})) == {
        Key("", "Secret", "shop", "tls")
    }
    binding = target("RoleBinding", group="rbac.authorization.k8s.io")
    subjects = [
        {"kind": "User", "name": "ada"},
        {"kind": "ServiceAccount", "name": "default", "namespace": "shop"},
        {"kind": "ServiceAccount", "name": "ci", "namespace": "build"},
        {"kind": "ServiceAccount", "name": "web"},
    ]
    assert references_of(binding, body(binding, subjects=subjects)) == {
        Key("", "ServiceAccount", "build", "ci"),
        Key("", "ServiceAccount", "shop", "web"),
    }
    assert references_of(target(), body(target(), data={"a": "b"})) == frozenset()


def test_what_is_missing_is_told_once_for_each_kind() -> None:
    """With the names, in order."""
    missing = [Key("", "Secret", "shop", "b"), Key("", "ConfigMap", "shop", "c"), Key("", "Secret", "shop", "a")]
    told = [(one.subject, one.problem) for one in missing_words(missing)]
    words = "that neither the cluster nor this restore has"
    assert told == [
        ("ConfigMap", f"restored objects name 1 ConfigMap {words}: shop/c"),
        ("Secret", f"restored objects name 2 Secrets {words}: shop/a, shop/b"),
    ]
    assert path_of(missing[0]) == "/api/v1/namespaces/shop/secrets/b"
