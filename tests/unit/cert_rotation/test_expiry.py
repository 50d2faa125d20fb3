"""When the certificates that a rotation renews expire, as its plan says it."""

from datetime import timedelta

import pytest

from tasks.cert_rotation.policy.expiry import expiry_in_words
from tasks.certificates.models.inventory import Inventory
from tests.facts import certificates
from tests.facts.certificates import NOW

DAYS_30 = timedelta(days=30)


def _inventory(*days: int) -> Inventory:
    """Control plane nodes whose first certificates expire in so many days, and without the others."""
    node = certificates.control_plane("cp1")
    leaves = [one for one in node.certificates if one.name in {"apiserver", "etcd-peer", "etcd-server"}]
    kept = [
        one.model_copy(update={"not_after": NOW + timedelta(days=left)})
        for one, left in zip(leaves, days, strict=False)
    ]
    nodes = (node.model_copy(update={"certificates": tuple(kept)}),)
    return Inventory(observed_at=NOW, nodes=nodes)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((10, 29, 31), "2 certificates expire within 30 days, the first on 2026-12-05"),
        ((10, 40), "1 certificate expires within 30 days, the first on 2026-12-05"),
        (
            (-1, 10),
            "1 certificate expired, the first on 2026-11-24; 1 certificate expires within 30 days, the first on 2026-12-05",
        ),
        ((40, 300), "no certificate expires within 30 days; the first expires on 2027-01-04"),
        ((), "no certificate expires within 30 days"),
    ],
)
def test_the_plan_says_how_many_expire_and_when_the_first_does(days: tuple[int, ...], words: str) -> None:
    """With the time that was asked for, and not only its name."""
    assert expiry_in_words(_inventory(*days), DAYS_30, now=NOW) == words
