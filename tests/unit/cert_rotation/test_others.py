"""What programs are told of and kubeadm has not made: a rotation says that it does not renew it, and when it expires."""

import pytest

from tasks.cert_rotation.models.rotation import RotationPlan
from tasks.certificates.models.inventory import Kind, Owner
from tests.facts.certificates import certificate, control_plane
from tests.facts.rotation import acts, cautions, facts, planned

SNI = "--tls-sni-cert-key of kube-apiserver"


def told(*, days: float, named_by: str = SNI) -> RotationPlan:
    """The plan of a node with one more certificate."""
    own = control_plane()
    one = certificate("", path="/sni/a.crt", kind=Kind.SERVING, owner=Owner.OTHER, named_by=named_by, days=days)
    return planned(facts(own.model_copy(update={"certificates": (*own.certificates, one)})))


def test_one_that_lasts_is_a_skip_with_its_end() -> None:
    """Nobody takes it for renewed."""
    plan = told(days=200)
    reason = f"/sni/a.crt: not kubeadm's ({SNI}): this runbook does not renew it; it expires in 200 days"
    assert reason in [skip.reason for skip in plan.skips]
    assert not plan.cautions


def test_one_that_expires_is_a_caution_also_where_nothing_else_is_due() -> None:
    """It is renewed where it comes from."""
    plan = told(days=5)
    assert (
        f"cp1: /sni/a.crt: not kubeadm's ({SNI}): this runbook does not renew it, and it expires in 5 days"
        in cautions(plan)
    )
    [caution] = plan.cautions
    assert caution.next_step == f"renew it where it comes from: it is none of kubeadm's, and {SNI} names it"
    assert acts(plan, "cp1") == []


@pytest.mark.parametrize("days", [5, 200])
def test_a_file_that_nobody_names_is_not_told(days: float) -> None:
    """Something that lies beside kubeadm's."""
    plan = told(days=days, named_by="")
    assert not plan.cautions
    assert not any("/sni" in skip.reason for skip in plan.skips)
