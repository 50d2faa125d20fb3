"""What a grant does, and what forbids it."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.access.models.login import Credential
from tasks.access.models.policy import AccessPolicy
from tasks.access.models.rights import Identity
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Mode, Plan
from tasks.core.models.report import Approval
from tasks.user_access.models.grant import GrantOptions, Login, UserFacts
from tasks.user_access.policy.login import find_user, label_of, login_of, policy_of, subjects_of
from tasks.user_access.policy.person import what_forbids_approval
from tasks.user_access.policy.plan import expected_of, failing, plan_grant
from tests.facts.user_access import (
    ACCOUNT,
    CELLS,
    NOW,
    RECIPIENT,
    asked,
    by_certificate,
    cell,
    certificate_entry,
    entry,
    facts,
    held,
    login,
    objects,
)


def plan(found: UserFacts, mode: Mode = Mode.APPROVE, run_id: str = "now", **options: Any) -> Plan:  # noqa: ANN401
    """Of that run."""
    return plan_grant(found, GrantOptions(**options), mode=mode, run_id=run_id, now=NOW)


def problems(found: Plan) -> list[str]:
    """Of all refusals."""
    return [one.problem for one in found.refusals]


def test_a_grant_makes_the_objects_and_the_token() -> None:
    """In this order, and nothing else."""
    found = plan(facts(), Mode.APPLY)
    assert [(one.subject, one.act) for one in found.steps] == [
        ("RoleBinding shop/kube-runbooks:user:ada", "create"),
        ("ada", "issue a token for 30 days, prove it, and encrypt it for its recipient"),
    ]
    assert found.steps[1].reason == f"the policy wants it: as {ACCOUNT}, for the recipient {RECIPIENT}"
    assert (found.refusals, found.cautions) == ((), ())


def test_what_is_unknown_is_refused() -> None:
    """The user, the credential, and the policy itself."""
    none = {"login": None, "known": ("bob", "eve")}
    assert problems(plan(facts(**none))) == ["the access policy does not name this user; it names bob, eve"]
    assert problems(plan(facts(login=None))) == ["the access policy does not name this user; it names none"]
    assert problems(plan(facts(**none, problem="it has no access:"))) == ["it has no access:"]
    assert problems(plan(facts(login=None, objects=objects(policy=None)))) == ["the cluster has no access policy"]
    assert "has no controlPlaneEndpoint" in problems(plan(facts(endpoint="")))[0]


def test_a_certificate_needs_another_person() -> None:
    """So it is never applied without an approval, and who asks is known."""
    found = facts(login=by_certificate())
    assert problems(plan(found, requested_by="Ada")) == []
    assert problems(plan(found, Mode.PLAN, requested_by="Ada")) == []
    assert "cannot be taken back, so another person has to approve it" in problems(plan(found, Mode.APPLY))[0]
    assert "who asks for the certificate is not known" in problems(plan(found, requested_by=" "))[0]
    step = plan(found, requested_by="Ada").steps[-1]
    assert step.act.startswith("issue a certificate for 30 days")
    assert "as ada with the groups dev" in step.reason
    alone = plan(facts(login=by_certificate(groups=())), requested_by="Ada")
    assert "as ada, for" in alone.steps[-1].reason


def test_a_request_of_the_user_is_checked() -> None:
    """It is for a certificate alone, and the key stays with the user."""
    found = facts(login=by_certificate(), asked=asked())
    good = plan(found, requested_by="Ada", request="PEM")
    assert problems(good) == []
    assert ["the run cannot log in" in one.problem for one in good.cautions] == [True]
    bad = plan(facts(login=by_certificate(), asked=asked(common_names=("bob",))), requested_by="Ada")
    assert problems(bad) == ["CN is the user: no, its CN is bob, not ada"]
    assert "the policy wants a token" in problems(plan(facts(), request="PEM"))[0]


def test_cells_that_nothing_corrects_are_refused() -> None:
    """A cell that the new bindings correct is not; neither is that of a group."""
    wrong = (cell("get configmaps", "deny", allowed=True), cell("get podz", "allow", allowed=None))
    others = cell("get nodes", "deny", allowed=True).model_copy(update={"subject": "Group:dev"})
    stay = tuple(one.label for one in (*wrong, others))
    found = plan(facts(objects=objects(cells=(*CELLS, *wrong, others), stay=stay)))
    told = "get configmaps in shop is allowed, get podz in shop was not checked (no namespace shop)"
    assert problems(found) == [f"2 cells of the matrix cannot hold: {told}"]
    assert [one.problem[:37] for one in plan(facts(objects=objects(cells=()))).cautions] == [
        "the policy has no right of this user,"
    ]
    assert failing((*CELLS, *wrong)) == ("get pods in shop is denied", *told.split(", "))


def test_older_credentials_go_after_the_proof() -> None:
    """Unless they are kept. What an interrupted run left was never delivered; a certificate stays."""
    found = facts(held=(held("e1"), held("left")), entries=(entry("e1"), certificate_entry()), requests=("csr-1",))
    made = plan(found)
    assert [(one.subject, one.act) for one in made.steps[-1:]] == [
        ("Secret kube-runbooks-access/ada-e1", "remove it after the proof")
    ]
    told = [one.problem for one in made.cautions]
    assert told[0].startswith("Secret kube-runbooks-access/ada-left: an interrupted run left it")
    assert told[1].startswith("csr-1: an interrupted run left it")
    assert [one.is_passing for one in made.cautions] == [True, True, False]
    assert told[2] == "the certificate 1A stays valid until 2026-12-30 12:00 UTC"
    assert plan(found, keep_previous=True).steps[-1].subject == "ada"
    gone = certificate_entry(expires_at=NOW - timedelta(days=1))
    assert plan(facts(entries=(gone, entry(taken_at=NOW)))).cautions == ()


def test_a_run_that_delivered_does_not_do_it_again() -> None:
    """Only the removal of older tokens is left."""
    mine = entry("e2", run_id="now")
    found = facts(held=(held("e1"), held("e2")), entries=(entry("e1"), mine), objects=objects(changes=()))
    made = plan(found, run_id="now")
    assert [one.subject for one in made.steps] == ["Secret kube-runbooks-access/ada-e1"]
    assert [one.reason for one in made.skips] == ["this run has already delivered a credential"]


def test_a_certificate_is_expected_as_the_policy_has_it() -> None:
    """With the lifetime in seconds."""
    made = expected_of(by_certificate(), {"a": "b"}, "k1")
    assert (made.user, made.groups, made.seconds, made.labels, made.public_key) == (
        "ada",
        ("dev",),
        30 * 86400,
        {"a": "b"},
        "k1",
    )


@pytest.mark.parametrize(
    ("asked_by", "who", "told"),
    [
        ("Ada", "Bob", ""),
        ("Ada", "ada", "ada approved the plan, and Ada asked for the certificate: that is one person"),
        ("ada@example.org", " ADA ", "that is one person"),
        ("Ada  Lovelace", "ada lovelace", "that is one person"),
        ("", "Bob", "who asked for the certificate is not known"),
        ("Ada", "", "who approved the plan is not known"),
    ],
)
def test_the_approver_is_another_person(asked_by: str, who: str, told: str) -> None:
    """By name; case, spaces and a domain make nobody another person."""
    problem = what_forbids_approval(asked_by, Approval(plan="d", approved=True, who=who))
    assert told in str(problem or "")
    assert bool(problem) is bool(told)


def test_without_an_approval_nobody_approved() -> None:
    """Neither with one that says no."""
    for approval in (None, Approval(plan="d", approved=False, who="Bob")):
        assert "who approved the plan is not known" in str(what_forbids_approval("Ada", approval))


ACCESS = {"recipient": RECIPIENT, "lifetime": "1h"}


def policy(**access: str) -> AccessPolicy:
    """Of ada in dev and of bob, who gets no credential."""
    ada = {"name": "ada", "groups": ["dev"], "access": ACCESS | access}
    rights = {"verbs": ["get"], "resources": ["pods"]}
    return AccessPolicy.model_validate(
        {"users": [ada, {"name": "bob"}], "groups": [{"name": "dev", "can": [rights]}, {"name": "ops"}]}
    )


def test_the_policy_says_which_credential() -> None:
    """A token has no group of ours; a certificate has exactly those of the policy."""
    made = login_of(policy(), "ada")
    assert isinstance(made, Login)
    assert (made.kind, made.groups, made.account, made.identity.user) == (Credential.TOKEN, (), "ada", ACCOUNT)
    assert (made.slug, made.owner, made.lifetime) == ("ada", "user.ada", timedelta(hours=1))
    signed = login_of(policy(credential="certificate"), "ada")
    assert isinstance(signed, Login)
    assert (signed.groups, signed.account) == (("dev",), "")
    assert signed.identity == Identity(user="ada", groups=("dev", "system:authenticated"))
    assert isinstance(login_of(policy(), "bob"), Problem)
    assert (login_of(policy(), "eve"), login_of(None, "ada"), find_user(None, "ada")) == (None, None, None)


def test_a_user_needs_the_own_objects_and_with_a_certificate_those_of_the_groups() -> None:
    """Of no other subject."""
    assert subjects_of(policy(), "ada") == (label_of("ada"),)
    assert subjects_of(policy(credential="certificate"), "ada") == ("User:ada", "Group:dev")
    assert subjects_of(policy(), "eve") == subjects_of(None, "ada") == ()
    part = policy_of(policy(), "ada")
    assert ([one.name for one in part.users], [one.name for one in part.groups]) == (["ada"], ["dev"])


def test_a_login_has_no_secret() -> None:
    """Nor has anything else that a task returns."""
    assert "secret" not in str(login().model_dump())
