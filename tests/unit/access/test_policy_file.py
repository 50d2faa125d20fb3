"""The access policy of a site: every wrong field is named with its value and the fix."""

from pathlib import Path

import pytest
import yaml

from tasks.access.models.policy import AccessPolicy
from tasks.access.policy_file import read_policy
from tasks.core.errors import Refused

GOOD = """
users:
  - name: ada
    groups: [dev]
    can: [{verbs: [get, list], resources: [pods, deployments.apps], namespaces: [shop]}]
groups:
  - name: dev
    cannot: [{verbs: [get], resources: [secrets]}]
service_accounts:
  - name: shop/ci
    can: [{verbs: [get], resources: [/healthz]}]
accepted:
  - {finding: "read-secrets:User:ada:*", reason: she is on call, expires: 2027-06-30}
"""


def write(folder: Path, text: str) -> Path:
    """The policy of `prod`."""
    (folder / "prod").mkdir()
    (folder / "prod" / "access.yaml").write_text(text)
    return folder


def test_without_a_file_there_is_no_policy(tmp_path: Path) -> None:
    """Which is not an empty one."""
    assert read_policy(tmp_path, "prod") is None


def test_a_user_has_the_rights_of_its_groups(tmp_path: Path) -> None:
    """And logs in with them, and as every user does."""
    policy = read_policy(write(tmp_path, GOOD), "prod")
    assert policy is not None
    ada, dev, account = policy.rows
    assert (ada.subject, ada.identity.user, ada.identity.groups) == ("User:ada", "ada", ("dev", "system:authenticated"))
    assert [list(one.cells) for one in ada.cannot] == [[("get", "secrets", "")]]
    assert [cell for one in ada.can for cell in one.cells] == [
        ("get", "pods", "shop"),
        ("get", "deployments.apps", "shop"),
        ("list", "pods", "shop"),
        ("list", "deployments.apps", "shop"),
    ]
    assert (dev.subject, dev.identity.user, dev.can) == ("Group:dev", "", ())
    assert (account.subject, account.identity.user) == ("ServiceAccount:shop/ci", "system:serviceaccount:shop:ci")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users: [{nam: ada}]", "users[0].name: is missing; add it: user name as the API knows it"),
        ("users: [{name: a b}]", "users[0].name: 'a b': write a name without a space"),
        (
            "users: [{name: ada, can: [{verbs: [], resources: [pods]}]}]",
            "users[0].can[0].verbs: write at least 1 of them",
        ),
        (
            "users: [{name: ada, can: [{verbs: [get], resources: [Pods]}]}]",
            "'Pods': write a resource as pods, pods/exec or deployments.apps, or a path of the API as /healthz",
        ),
        (
            "users: [{name: ada, can: [{verbs: [get], resources: [pods], namespaces: [A]}]}]",
            "namespaces[0]: 'A': write lower-case letters, digits and -",
        ),
        ("service_accounts: [{name: ci}]", "service_accounts[0].name: 'ci': write NAMESPACE/NAME, for example shop/ci"),
        (
            "accepted: [{finding: x, reason: y, expires: soon}]",
            "accepted[0].expires: 'soon': write the last day of the acceptance, for example 2027-06-30",
        ),
        (
            "accepted: [{finding: x, reason: '', expires: 2027-06-30}]",
            "accepted[0].reason: '': write at least 1 characters",
        ),
        ("users: [{name: ada}, {name: ada}]", "users: named twice: ada"),
        (
            "users: [{name: ada, groups: [dev], can: [{verbs: [get], resources: [pods], namespaces: [shop]}]}]\n"
            "groups: [{name: dev, cannot: [{verbs: [get], resources: [pods], namespaces: [shop]}]}]",
            "User:ada: it can and cannot get pods in shop; remove one of them",
        ),
        (
            "users: [{name: ada, can: [{verbs: [get], resources: ['*']}], cannot: [{verbs: [get], resources: ['*']}]}]",
            "User:ada: it can and cannot get *; remove one of them",
        ),
        ("- users", "an access policy is a mapping of fields, this is list"),
    ],
)
def test_a_wrong_field_is_named_with_the_fix(tmp_path: Path, text: str, problem: str) -> None:
    """And the hint names the file and the page."""
    with pytest.raises(Refused) as error:
        read_policy(write(tmp_path, text), "prod")
    assert problem in error.value.problem
    assert "access.yaml" in error.value.problem


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    """Not the first alone."""
    with pytest.raises(
        Refused, match=r"2 problems:\n- users\[0\].name: .*\n- users\[0\].nam: unknown field; did you mean name\?"
    ):
        read_policy(write(tmp_path, "users: [{nam: ada}]"), "prod")


def test_an_empty_policy_declares_nothing() -> None:
    """It has no rows."""
    assert AccessPolicy().rows == ()


def test_an_inline_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The error says what to write instead."""
    (tmp_path / "prod").mkdir()
    entry = {"name": "a", "registry": "ghcr.io", "namespaces": ["a"], "images": ["ghcr.io/a"], "username": "a"}
    (tmp_path / "prod" / "access.yaml").write_text(
        yaml.safe_dump({"pull_secrets": [entry | {"password": "hunter2-is-long"}]})
    )
    with pytest.raises(Refused, match="pull_secrets.0..password.*write file:PATH, env:NAME or prefect:BLOCK") as error:
        read_policy(tmp_path, "prod")
    assert "hunter2" not in str(error.value)
