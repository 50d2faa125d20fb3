"""What a revocation removes, and what a certificate can still do."""

from datetime import timedelta
from typing import Any

from tasks.access.models.declared import Kind
from tasks.access.models.rights import Rbac
from tasks.access.probes.rbac import parse_rbac
from tasks.user_access.models.revoke import Owned, RevokeFacts
from tasks.user_access.policy.revoke import bindings_left, plan_revoke, valid_certificates, what_it_can_do
from tests.facts.access import account, binding, cluster_binding, cluster_role, group, rule, user
from tests.facts.user_access import NOW, certificate_entry, entry, held, revocation, revoked

BINDING = Owned(kind=Kind.BINDING, namespace="shop", name="kube-runbooks:user:ada", uid="u1")
ACCOUNT = Owned(kind=Kind.ACCOUNT, namespace="kube-runbooks-access", name="ada", uid="u2")


def rules(*bindings: dict[str, Any]) -> Rbac:
    """With a role that reads secrets."""
    return parse_rbac([], [cluster_role("secrets", rule("get", "secrets"))], bindings)


def test_everything_of_ours_is_removed() -> None:
    """Objects and Secrets, each with its reason."""
    found = revocation(owned=(BINDING, ACCOUNT), held=(held(),), entries=(entry(),))
    assert found.has_account
    assert [(one.subject, one.reason) for one in plan_revoke(found, NOW).steps] == [
        ("RoleBinding shop/kube-runbooks:user:ada", "it gives access to ada"),
        ("ServiceAccount kube-runbooks-access/ada", "it gives access to ada"),
        ("Secret kube-runbooks-access/ada-e1", "tokens are bound to it"),
    ]
    assert BINDING.path == ("/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/kube-runbooks:user:ada")
    everywhere = Owned(kind=Kind.CLUSTER_ROLE, name="x", uid="u3")
    assert (everywhere.label, everywhere.path[-14:]) == ("ClusterRole x", "clusterroles/x")


def test_a_user_of_whom_nothing_is_known_is_refused() -> None:
    """A user of the policy who never got anything is not."""
    problem = plan_revoke(revocation(), NOW).refusals[0].problem
    assert problem == "nothing is known of this user: no object of ours, no credential; the policy names bob"
    assert plan_revoke(revocation(known=()), NOW).refusals[0].problem.endswith("the policy names none")
    found = plan_revoke(revocation(in_policy=True), NOW)
    assert (found.refusals, found.steps) == ((), ())
    assert "still names the user: the next `access_apply` gives the rights again" in found.cautions[0].problem


def test_cautions_name_what_stays() -> None:
    """A request of an interrupted run, and a certificate until it expires."""
    old = certificate_entry(expires_at=NOW - timedelta(days=1))
    others = ("RoleBinding shop/hers of Role r",)
    found = revocation(requests=("csr-1",), entries=(certificate_entry(), old), others=others)
    told = [one.problem for one in plan_revoke(found, NOW).cautions]
    assert told[0].startswith("csr-1: an interrupted run left it")
    assert told[1:] == [
        "RoleBinding shop/hers of Role r names the user, and is not ours: it stays",
        "the certificate 1A cannot be taken back: it is valid until 2026-12-30 12:00 UTC",
    ]
    assert [one.subject for one in plan_revoke(found, NOW).steps] == ["certificate 1A"]
    assert valid_certificates(found.entries, NOW) == (certificate_entry(),)


def test_a_certificate_can_still_do_what_its_name_and_groups_may() -> None:
    """With the dangerous rights; system:masters loudly."""
    rbac = rules(cluster_binding("on-call", "secrets", group("dev")), cluster_binding("b", "secrets", user("bob")))
    left = what_it_can_do(certificate_entry(), rbac)
    assert left.bindings == ("ClusterRoleBinding on-call of ClusterRole secrets",)
    assert len(left.dangers) == 1
    assert left.in_words.startswith(
        "certificate 1A stays valid until 2026-12-30 12:00 UTC, and still has ClusterRoleBinding on-call of ClusterRole "
        "secrets; among it: Group:dev it can read Secrets everywhere"
    )
    nothing = what_it_can_do(certificate_entry(), rules())
    assert nothing.in_words.endswith("; it can only do what everybody can who has logged in")
    master = what_it_can_do(certificate_entry(groups=("system:masters",)), rules())
    assert "AND IT CAN DO EVERYTHING" in master.in_words
    harmless = what_it_can_do(certificate_entry(), rules(cluster_binding("v", "view", group("dev"))))
    assert harmless.in_words.endswith("and still has ClusterRoleBinding v of ClusterRole view")
    assert revoked(certificates=(left, nothing, master)).left == (left.in_words, master.in_words)


def test_bindings_that_name_the_user_are_left() -> None:
    """By the name, and by the ServiceAccount."""
    rbac = rules(
        cluster_binding("mine", "secrets", account("kube-runbooks-access", "ada")),
        binding("shop", "hers", ("Role", "r"), user("ada")),
        cluster_binding("all", "secrets", group("system:authenticated")),
    )
    left = bindings_left("ada", rbac)
    assert left == ("ClusterRoleBinding mine of ClusterRole secrets", "RoleBinding shop/hers of Role r")
    assert revoked(foreign=left).left == tuple(f"{one} names the user" for one in left)


def test_what_was_taken_is_open_no_more() -> None:
    """Nor is it unknown."""
    found = revocation(entries=(entry(taken_at=NOW), entry("e2")))
    assert [one.id for one in found.open] == ["e2"]
    assert found.has_anything
    assert not RevokeFacts(user="ada", account="ada").has_anything
