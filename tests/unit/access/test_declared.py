"""The objects of a policy: stable names, our labels, and the same rules however people write them."""

from pathlib import Path
from typing import Any

import pytest

from tasks.access.models.declared import Declaration, Wanted
from tasks.access.models.login import account_for, safe_name
from tasks.access.models.policy import AccessPolicy
from tasks.access.policy.declared import declare
from tasks.access.policy_file import read_policy
from tasks.access.probes.discovery import parse_resources
from tasks.core.errors import Refused
from tests.facts.access import RECIPIENT

KNOWN = parse_resources(
    [
        {
            "metadata": {},
            "versions": [
                {
                    "resources": [
                        {"resource": "pods", "scope": "Namespaced", "subresources": [{"subresource": "exec"}]},
                        {"resource": "secrets", "scope": "Namespaced"},
                        {"resource": "nodes", "scope": "Cluster"},
                    ]
                }
            ],
        },
        {
            "metadata": {"name": "apps"},
            "versions": [
                {
                    "resources": [
                        {"resource": "deployments", "scope": "Namespaced", "subresources": [{"subresource": "scale"}]}
                    ]
                }
            ],
        },
    ]
)


def declared(**policy: Any) -> Declaration:  # noqa: ANN401 - as people write it
    """The objects of a policy."""
    return declare(AccessPolicy.model_validate(policy), KNOWN)


def labels(declaration: Declaration) -> list[str]:
    """Kinds and names, in the order in which they are made."""
    return [one.place.label for one in declaration.objects]


def by_label(declaration: Declaration) -> dict[str, Wanted]:
    """For one of them."""
    return {one.place.label: one for one in declaration.objects}


def right(verbs: str, resources: str, *namespaces: str) -> dict[str, Any]:
    """With commas between."""
    return {"verbs": verbs.split(","), "resources": resources.split(","), "namespaces": list(namespaces)}


def access(**fields: str) -> dict[str, str]:
    """A credential."""
    return {"recipient": RECIPIENT} | fields


def test_rights_in_namespaces_are_roles_there_and_all_others_a_cluster_role() -> None:
    """With a binding each, in the order in which the API server can take them."""
    found = declared(
        users=[{"name": "ada", "can": [right("list,get", "pods", "shop", "ops"), right("get", "/healthz")]}]
    )
    name = "kube-runbooks:user:ada"
    assert labels(found) == [
        f"Role ops/{name}",
        f"Role shop/{name}",
        f"ClusterRole {name}",
        f"RoleBinding ops/{name}",
        f"RoleBinding shop/{name}",
        f"ClusterRoleBinding {name}",
    ]
    objects = by_label(found)
    assert objects[f"Role shop/{name}"].body == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app.kubernetes.io/managed-by": "kube-runbooks", "kube-runbooks.io/access": "user.ada"},
            "annotations": {"kube-runbooks.io/subject": "User:ada"},
        },
        "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}],
    }
    assert objects[f"ClusterRole {name}"].body["rules"] == [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]
    bound = objects[f"RoleBinding shop/{name}"].body
    assert bound["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    assert bound["subjects"] == [{"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"}]
    assert objects[f"RoleBinding shop/{name}"].place.path == (
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/{name}"
    )
    assert objects[f"ClusterRole {name}"].place.path == f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"


def test_the_same_rights_are_the_same_rules_however_people_write_them() -> None:
    """Verbs and resources in any order, in one right or in several; `*` covers every other verb."""
    one = declared(
        groups=[{"name": "dev", "can": [right("get,list,watch", "pods,secrets,deployments,deployments/scale")]}]
    )
    rights = [right("watch,get", "deployments.apps/scale,deployments"), right("list", "deployments,deployments/scale")]
    other = declared(groups=[{"name": "dev", "can": [*rights, right("list,watch,get,get", "secrets,pods")]}])
    assert one == other
    assert one.objects[0].body["rules"] == [
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods", "secrets"]},
        {"verbs": ["get", "list", "watch"], "apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"]},
    ]
    stars = declared(groups=[{"name": "dev", "can": [right("get,*", "*,*/scale,*.apps")]}])
    assert stars.objects[0].body["rules"] == [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*", "*/scale"]},
        {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["*"]},
    ]


def test_a_role_that_exists_is_bound_by_a_name_with_the_role_in_it() -> None:
    """So another role is another binding. Without a namespace it is given everywhere."""
    roles = [{"role": "view", "namespaces": ["shop"]}, {"role": "system:node"}]
    roles.append({"role": "ci", "kind": "Role", "namespaces": ["shop"]})
    found = declared(service_accounts=[{"name": "shop/ci", "roles": roles}])
    name = "kube-runbooks:account:shop.ci"
    assert labels(found) == [
        f"RoleBinding shop/{name}:ClusterRole:view",
        f"RoleBinding shop/{name}:Role:ci",
        f"ClusterRoleBinding {name}:ClusterRole:system:node",
    ]
    assert found.objects[0].body["subjects"] == [{"kind": "ServiceAccount", "name": "ci", "namespace": "shop"}]
    assert found.objects[1].body["roleRef"]["kind"] == "Role"


def test_a_user_with_a_token_logs_in_as_a_service_account_that_has_the_rights_of_its_groups() -> None:
    """A ServiceAccount has no groups of ours, so its bindings have it itself. The group keeps its own."""
    ada = {"name": "Ada.Lovelace@example.org", "groups": ["dev"], "access": access()}
    policy = {"users": [ada, {"name": "bob", "groups": ["dev"], "access": access(credential="certificate")}]}
    dev = {"name": "dev", "can": [right("get", "pods", "shop")], "roles": [{"role": "view"}]}
    found = declared(**policy, groups=[dev])
    account = account_for("Ada.Lovelace@example.org")
    owner = f"kube-runbooks:user:{account.name}"
    assert account.name.startswith("ada-lovelace-example-org-")
    assert labels(found) == [
        "Namespace kube-runbooks-access",
        f"ServiceAccount kube-runbooks-access/{account.name}",
        "Role shop/kube-runbooks:group:dev",
        f"Role shop/{owner}",
        "RoleBinding shop/kube-runbooks:group:dev",
        f"RoleBinding shop/{owner}",
        "ClusterRoleBinding kube-runbooks:group:dev:ClusterRole:view",
        f"ClusterRoleBinding {owner}:ClusterRole:view",
    ]
    objects = by_label(found)
    assert objects[f"RoleBinding shop/{owner}"].body["subjects"] == [
        {"kind": "ServiceAccount", "name": account.name, "namespace": "kube-runbooks-access"}
    ]
    assert objects[f"ServiceAccount kube-runbooks-access/{account.name}"].body["automountServiceAccountToken"] is False
    assert objects["Namespace kube-runbooks-access"].place.path == "/api/v1/namespaces/kube-runbooks-access"
    own = [one.place.label for one in found.of("User:Ada.Lovelace@example.org")]
    assert own == [labels(found)[index] for index in (0, 1, 3, 5, 7)]
    assert [one.subject for one in found.of("Group:dev")] == ["Group:dev"] * 3
    assert found.of("User:bob") == ()


def test_the_matrix_asks_about_the_service_account_of_a_user_with_a_token() -> None:
    """A certificate has the name and the groups."""
    dev = {"name": "dev", "cannot": [right("get", "secrets")]}
    ada = {"name": "ada", "groups": ["dev"], "access": access()}
    bob = {"name": "bob", "groups": ["dev"], "access": access(credential="certificate")}
    rows = AccessPolicy.model_validate({"users": [ada, bob], "groups": [dev]}).rows
    assert [(one.subject, one.identity.user, len(one.cannot)) for one in rows[:2]] == [
        ("User:ada", "system:serviceaccount:kube-runbooks-access:ada", 1),
        ("User:bob", "bob", 1),
    ]
    assert "dev" not in rows[0].identity.groups
    assert "system:serviceaccounts:kube-runbooks-access" in rows[0].identity.groups
    assert rows[1].identity.groups == ("dev", "system:authenticated")


def test_what_the_api_does_not_have_is_a_refusal() -> None:
    """Each once, for each subject. All other rights stay."""
    rights = [right("get,list", "podz,pods"), right("get", "nodes", "shop"), right("get", "/healthz", "shop")]
    found = declared(users=[{"name": "ada", "can": rights}])
    assert [(one.subject, one.problem) for one in found.refusals] == [
        ("User:ada", "the API has no resource podz"),
        ("User:ada", "nodes is in no namespace"),
        ("User:ada", "/healthz is in no namespace"),
    ]
    assert found.refusals[1].next_step == "remove the namespace; correct the cluster's access.yaml"
    assert labels(found) == ["ClusterRole kube-runbooks:user:ada", "ClusterRoleBinding kube-runbooks:user:ada"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("ada", "ada"),
        ("ada.b-c", "ada.b-c"),
        ("Ada", "ada-"),
        ("ada.", "ada-"),
        ("a..b", "a-b-"),
        ("https://id.example/#42", "https-id-example-42-"),
        ("ä", "x-"),
        ("a" * 41, "a" * 29 + "-"),
    ],
)
def test_the_name_of_an_object_is_safe(name: str, safe: str) -> None:
    """What is lost of a name has a hash in its place."""
    found = safe_name(name)
    assert found == safe if not safe.endswith("-") else found.startswith(safe)
    assert len(found) <= 40
    assert found == name or len(found.removeprefix(safe)) == 10


ACCESS = f"access: {{recipient: {RECIPIENT}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"users: [{{name: 'system:kube-proxy', {ACCESS}}}}}]", "system:kube-proxy is a name of Kubernetes or kubeadm"),
        (f"users: [{{name: ada, groups: ['kubeadm:cluster-admins'], {ACCESS}}}}}]", "kubeadm:cluster-admins is a name"),
        (
            f"users: [{{name: ada, {ACCESS}, credential: certificate, lifetime: 31d}}}}]",
            "at most 30d for a certificate: nobody can take it back",
        ),
        (f"users: [{{name: ada, {ACCESS}, lifetime: 91d}}}}]", "users[0].access.lifetime"),
        (f"users: [{{name: ada, {ACCESS}, lifetime: 9m}}}}]", "users[0].access.lifetime"),
        ("users: [{name: ada, access: {}}]", "users[0].access.recipient: is missing"),
        ("users: [{name: ada, access: {recipient: ada}}]", "not a recipient; write age1..."),
        (
            f"users: [{{name: ada, groups: [dev], {ACCESS}}}}}]",
            "users: ada logs in with a token, which has no groups, so the rights of group dev must be here",
        ),
        ("users: [{name: ada, roles: [{role: a/b}]}]", "'a/b': write the name of a role, for example view"),
        ("users: [{name: ada, roles: [{role: ci, kind: Role}]}]", "name those of the Role"),
        (
            "service_accounts: [{name: kube-runbooks-access/ada}]",
            "kube-runbooks-access/ada belongs to a user with a token; declare the user",
        ),
        (f"users: [{{name: Ada}}, {{name: {safe_name('Ada')}}}]", "would share objects; rename one of them"),
    ],
)
def test_a_policy_that_cannot_be_given_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """With the field and the fix."""
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "access.yaml").write_text(text)
    with pytest.raises(Refused) as error:
        read_policy(tmp_path, "prod")
    assert problem in error.value.problem


def test_a_credential_expires_by_itself() -> None:
    """After 30 days, if the policy says nothing else."""
    user = AccessPolicy.model_validate(
        {"users": [{"name": "ada", "access": access(lifetime="90d")}, {"name": "bob", "access": access()}]}
    )
    assert [one.access.lifetime.days for one in user.users if one.access] == [90, 30]
