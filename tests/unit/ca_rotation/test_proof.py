"""A stage is proven when it would have nothing left to do."""

import pytest

from tasks.ca_rotation.models import CaRotationOptions, Stage
from tasks.ca_rotation.policy.proof import proven_nodes
from tasks.certificates.models.authorities import State
from tasks.core.errors import NotYet
from tasks.core.models.profile import CertificateRules
from tests.facts.ca import MACHINES, facts
from tests.facts.certificates import NOW


def proven(states: dict[str, State]) -> tuple[str, ...]:
    """That everybody trusts both; all others do."""
    found = facts(state=State.BOTH, states=states)
    return proven_nodes(found, Stage.TRUST_BOTH, CaRotationOptions(), CertificateRules(), now=NOW)


def test_every_node_is_told_with_the_state_that_it_is_in() -> None:
    """Workers, too."""
    assert set(proven({})) == {f"{name}: it is both" for name in MACHINES}


def test_a_node_with_something_left_is_no_end() -> None:
    """It may come by itself: what was restarted last is looked at again."""
    with pytest.raises(NotYet, match="the stage is not finished: w2: it is only-old") as raised:
        proven({"w2": State.ONLY_OLD})
    assert "cp1" not in raised.value.problem
