"""The plan of a rotation: what is ours is created, switched and removed; what is not ours is named."""

from typing import Any

import pytest

from tasks.core.models.plan import Plan
from tasks.registries.models.secrets import Entry
from tasks.registries.models.verdict import Verdict
from tasks.registry_credentials.models import NEW, NOBODY, CredentialOptions, Proven
from tasks.registry_credentials.policy.answers import old_words
from tasks.registry_credentials.policy.names import has_credential, is_ours, switched
from tasks.registry_credentials.policy.plan import plan_credentials, to_do
from tests.facts import pulls
from tests.facts.pulls import (
    BEFORE,
    IMAGE,
    NEW_NAME,
    OLD_NAME,
    REGISTRY,
    account,
    answer,
    facts,
    found,
    namer,
    old,
    secret,
)

ANY = CredentialOptions(allow_unasked=True)


def plan(*arguments: object, options: CredentialOptions = CredentialOptions(), **more: object) -> Plan:  # noqa: B008
    """Of these facts."""
    return plan_credentials(facts(*arguments, **more), options)  # type: ignore[arg-type]


def steps(made: Plan) -> list[tuple[str, str]]:
    """Who and what."""
    return [(one.subject, one.act) for one in made.steps]


def problems(made: Plan) -> list[str]:
    """Of its refusals."""
    return [one.problem for one in made.refusals]


def test_a_new_credential_is_created_and_named_beside_the_entries_of_others() -> None:
    """Nothing else is in the plan."""
    made = plan(found(accounts=(account("theirs"), account(name="other"))))
    assert steps(made) == [
        (f"shop/{NEW_NAME}", f"create this Secret for {REGISTRY}, and prove a pull from each node"),
        ("serviceaccount shop/default", f"imagePullSecrets: [theirs] -> [theirs, {NEW_NAME}]"),
    ]
    assert (made.cautions, made.refusals, made.skips) == ((), (), ())


def test_a_rotation_takes_the_place_of_the_old_secret() -> None:
    """The old one goes when nothing names it; who names it now is a figure, so that an approval holds."""
    made = plan(found(secret(OLD_NAME, BEFORE), accounts=(account(OLD_NAME, "theirs"),)))
    assert steps(made)[1:] == [
        ("serviceaccount shop/default", f"imagePullSecrets: [{OLD_NAME}, theirs] -> [{NEW_NAME}, theirs]"),
        (f"shop/{OLD_NAME}", "remove this old Secret as soon as nothing names it"),
    ]
    assert made.steps[0].reason == f"{OLD_NAME} has another credential"
    assert made.steps[2].reason == f"{NEW_NAME} takes its place: named by shop/serviceaccount/default"
    switched_now = plan(found(secret(NEW_NAME), secret(OLD_NAME, BEFORE), accounts=(account(NEW_NAME, "theirs"),)))
    assert steps(switched_now) == steps(made)[2:]
    assert switched_now.steps[0].basis == made.steps[2].basis
    assert [one.reason for one in switched_now.skips] == ["it has the credential of the policy"]


def test_a_cluster_that_is_as_the_policy_wants_it_needs_nothing() -> None:
    """A copy of the credential in a Secret of others is no problem."""
    made = plan(found(secret(NEW_NAME), secret("theirs"), accounts=(account(NEW_NAME),)))
    assert (made.steps, made.cautions, made.refusals) == ((), (), ())


def test_a_secret_of_a_namespace_that_the_policy_no_longer_names_goes_too() -> None:
    """As soon as nothing names it."""
    lost = secret(NEW_NAME, namespace="left")
    made = plan(found(secret(NEW_NAME), lost, accounts=(account(NEW_NAME), account(NEW_NAME, namespace="left"))))
    assert steps(made) == [(f"left/{NEW_NAME}", "remove this old Secret as soon as nothing names it")]
    assert [one.problem for one in made.cautions] == ["it stays, because others name it: left/serviceaccount/default"]


def test_what_does_not_exist_is_refused_with_the_command_that_makes_it() -> None:
    """A pattern that matches nothing is a caution: namespaces like that may come later."""
    made = plan(found(), absent=("nowhere", "team-*"), accounts=("default", "builder"))
    assert problems(made) == [
        "the namespace nowhere does not exist, or is about to be deleted",
        "the ServiceAccount shop/builder does not exist",
    ]
    assert [one.next_step.split("`")[1] for one in made.refusals] == [
        "kubectl create namespace nowhere",
        "kubectl -n shop create serviceaccount builder",
    ]
    assert [one.problem for one in made.cautions] == ["no namespace has a name like team-*"]


def test_a_secret_of_our_name_with_another_content_is_refused() -> None:
    """Somebody made it, or it is of another type."""
    wrong = (
        found(secret(NEW_NAME, BEFORE)),
        found(secret(NEW_NAME, ours="")),
        found(secret(NEW_NAME, entries=(Entry(place=REGISTRY, fingerprint=pulls.NOW, problem="broken"),))),
        found(others=(f"shop/{NEW_NAME}",)),
    )
    for one in wrong:
        assert problems(plan(one)) == ["it has our name, and another content"]


@pytest.mark.parametrize(
    ("verdict", "word"), [(Verdict.REFUSED, "cannot be pulled with"), (Verdict.UNKNOWN, "could not be asked for")]
)
def test_a_credential_that_is_not_proven_from_each_node_refuses_the_run(verdict: Verdict, word: str) -> None:
    """Also if it is proven from others; silence can be allowed, an answer cannot."""
    asked = (answer(), answer(verdict=verdict, node="w2"), answer(verdict=verdict, node="w3"))
    (problem,) = problems(plan(found(), *asked))
    assert problem.startswith(f"{IMAGE} {word}")
    assert "from w2, w3: " in problem
    allowed = plan(found(), *asked, options=ANY)
    assert bool(allowed.refusals) is (verdict is Verdict.REFUSED)
    assert len(allowed.cautions) == (verdict is Verdict.UNKNOWN)


def test_an_image_for_another_platform_is_a_proof_too() -> None:
    """The registry gave it."""
    assert not plan(found(), answer(verdict=Verdict.OTHER_PLATFORM)).refusals


def test_a_registry_that_is_open_and_a_kubelet_with_other_means_are_cautions() -> None:
    """Each once for all nodes."""
    more: dict[str, Any] = {"uncertain": ("its kubelet has a credential provider",)}
    made = plan(found(), answer(NOBODY), answer(NEW, **more), answer(NOBODY, node="w2"), answer(NEW, node="w2", **more))
    assert [one.problem for one in made.cautions] == [
        f"{IMAGE} can be pulled without a credential: that a pull with it works proves nothing",
        "on w1, w2 the kubelet may get another answer: its kubelet has a credential provider",
    ]


def test_nodes_that_nobody_can_ask_refuse_the_run_or_are_a_caution() -> None:
    """By choice."""
    why = ("w3: not in nodes of the profile",)
    assert problems(plan(found(), unasked=why)) == ["a pull cannot be proven there: w3: not in nodes of the profile"]
    made = plan(found(), unasked=why, options=ANY)
    assert ([one.subject for one in made.cautions], made.refusals) == (["nodes"], ())


def test_old_credentials_are_told_as_the_registry_answers_now() -> None:
    """This changes when the site revokes one, and needs no new approval."""
    there = found(secret(NEW_NAME), secret(OLD_NAME, BEFORE), accounts=(account(NEW_NAME),))
    made = [plan(there, answer(), old(one)) for one in (Verdict.THERE, Verdict.REFUSED, Verdict.UNKNOWN)]
    assert [one.cautions[0].problem for one in made] == [
        f"the old credential of shop/{OLD_NAME} still works at the registry",
        f"the old credential of shop/{OLD_NAME} is refused now: 401 UNAUTHORIZED",
        f"whether the old credential of shop/{OLD_NAME} still works is not known: no answer: it hangs",
    ]
    assert {one.cautions[0].is_passing for one in made} == {True}
    assert old_words(old().model_copy(update={"secrets": ()})) == "the previous password still works at the registry"


def test_who_still_names_an_old_secret_is_told() -> None:
    """Pods come and go. A CronJob stays, also while it runs nothing."""
    namers = (namer("Pod", "web-1", OLD_NAME), namer("CronJob", "nightly", OLD_NAME))
    made = plan(found(secret(NEW_NAME), secret(OLD_NAME, BEFORE), namers=namers, accounts=(account(NEW_NAME),)))
    assert [(one.problem, one.is_passing) for one in made.cautions] == [
        ("it stays, because others name it: shop/cronjob/nightly", False),
        ("pods keep the Secrets that they began with: shop/pod/web-1", True),
    ]


def test_secrets_of_others_are_named_with_their_owner_and_who_uses_them() -> None:
    """Only if they have another credential of this registry, or a broken one."""
    of_chart = secret(
        "chart",
        BEFORE,
        owner="Helm (release)",
        owner_way="helm upgrade",
        entries=(Entry(place=REGISTRY, fingerprint=BEFORE), Entry(place="ghcr.io", fingerprint="1")),
    )
    by_hand = secret("by-hand", entries=(Entry(place=f"{REGISTRY}/team", fingerprint=pulls.NOW, problem="broken"),))
    elsewhere = secret("elsewhere", entries=(Entry(place="ghcr.io", fingerprint=BEFORE),))
    namers = (namer("Deployment", "web", "chart"), namer("Pod", "web-1", "chart"))
    made = plan(found(of_chart, by_hand, elsewhere, namers=namers))
    assert [(one.subject, one.problem, one.next_step) for one in made.cautions] == [
        (
            "shop/chart",
            f"it has another credential of {REGISTRY}, and has 2 registries, and stays as it is: it is of Helm (release); "
            "named by shop/deployment/web; 1 pod or Job of now",
            "helm upgrade",
        ),
        (
            "shop/by-hand",
            f"it has another credential of {REGISTRY}, and stays as it is: it is not ours",
            "change it, or name it nowhere, before the old credential is revoked",
        ),
    ]


def test_a_list_keeps_its_order_and_loses_all_old_entries_of_ours() -> None:
    """Also those of Secrets that are gone. Names that only begin like ours stay."""
    (wanted,) = facts(found()).wanted
    gone = "shop-pull-ffffffffff"
    assert switched((), wanted) == (NEW_NAME,)
    assert switched(("a", OLD_NAME, "b", gone), wanted) == ("a", NEW_NAME, "b")
    assert switched(("shop-pull-of-a-person",), wanted) == ("shop-pull-of-a-person", NEW_NAME)
    assert switched((NEW_NAME, "a"), wanted) == (NEW_NAME, "a")
    assert switched((OLD_NAME, NEW_NAME), wanted) == (NEW_NAME,)
    assert not is_ours("xshop-pull-ffffffffff", wanted)
    assert has_credential(secret(NEW_NAME), wanted)


def test_what_is_left_is_told_without_old_secrets() -> None:
    """They may stay for long: pods name them."""
    there = found(secret(OLD_NAME, BEFORE), accounts=(account(OLD_NAME),))
    assert [one.subject for one in to_do(facts(there))] == [f"shop/{NEW_NAME}", "serviceaccount shop/default"]
    done = found(secret(NEW_NAME), secret(OLD_NAME, BEFORE), accounts=(account(NEW_NAME),))
    assert to_do(facts(done)) == ()


def test_a_proof_names_the_nodes_that_gave_it() -> None:
    """Not those that were asked without the credential."""
    asked = (answer(NOBODY, node="w3"), answer(node="w2"), answer(), answer(verdict=Verdict.UNKNOWN, node="w4"))
    assert Proven(asked=asked).nodes == ("w1", "w2")
