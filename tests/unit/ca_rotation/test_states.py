"""Where a node stands between the old and the new half, and which stage may come next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ca_rotation.models import Half
from tasks.ca_rotation.policy.trust import AFTER, BEFORE, FROM, halves_of, readers_of, state_of
from tasks.certificates.models.authorities import FILES, State
from tests.facts.ca import CLUSTER, ETCD, FRONT, NEW, OLD, SA, STRANGE, trust


@pytest.mark.parametrize(
    ("trusted", "signs", "state"),
    [
        ((OLD,), OLD, State.ONLY_OLD),
        ((OLD, NEW), OLD, State.BOTH),
        ((NEW, OLD), NEW, State.NEW_SIGNS),
        ((NEW,), NEW, State.ONLY_NEW),
        ((NEW, OLD), OLD, State.BETWEEN),
        ((OLD, NEW), NEW, State.BETWEEN),
        ((OLD,), NEW, State.BROKEN),
        ((NEW,), OLD, State.BROKEN),
        ((), OLD, State.FOREIGN),
        ((OLD, STRANGE), OLD, State.FOREIGN),
        ((OLD, NEW), STRANGE, State.FOREIGN),
        ((OLD,), None, State.ONLY_OLD),
        ((OLD, NEW), None, State.BOTH),
        ((NEW, OLD), None, State.NEW_SIGNS),
        ((NEW,), None, State.ONLY_NEW),
    ],
)
def test_what_is_believed_and_what_signs_make_a_state(
    trusted: tuple[Half, ...], signs: Half | None, state: State
) -> None:
    """A worker signs nothing: what it believes first says the same."""
    name = "cp1" if signs else "w1"
    node = trust(name, CLUSTER, State.BOTH, trusted=trusted, signs=signs.public_key if signs else "")
    assert state_of(node, OLD, NEW) is state


def test_a_key_that_was_not_found_or_not_read_is_no_sign_that_the_right_one_signs() -> None:
    """Of a node that has to have one."""
    assert state_of(trust("cp1", CLUSTER, State.BOTH, signs=""), OLD, NEW) is State.BROKEN


@given(st.lists(st.sampled_from([OLD, NEW]), min_size=1, max_size=2, unique=True), st.sampled_from([OLD, NEW]))
def test_a_node_is_never_said_to_be_well_when_it_signs_with_what_it_does_not_believe(
    trusted: list[Half], signs: Half
) -> None:
    """Whatever the order."""
    node = trust("cp1", CLUSTER, State.BOTH, trusted=tuple(trusted), signs=signs.public_key)
    state = state_of(node, OLD, NEW)
    assert (state is State.BROKEN) is (signs not in trusted)
    if state in FILES:
        files = FILES[state]
        assert [{"old": OLD, "new": NEW}[half] for half in files.trusted] == trusted
        assert files.trusted[0] == files.signs


def test_before_a_rotation_what_is_believed_is_the_old_one() -> None:
    """Once it has begun, what was laid down is; without a node that can be asked nothing is known."""
    before = [trust("cp1", CLUSTER, State.ONLY_OLD), trust("cp2", CLUSTER, State.ONLY_OLD)]
    assert halves_of(before) == (OLD, None)
    assert state_of(before[0], OLD, None) is State.ONLY_OLD
    begun = [trust("cp1", CLUSTER, State.ONLY_OLD), trust("cp2", CLUSTER, State.ONLY_NEW)]
    assert halves_of(begun) == (OLD, NEW)
    assert halves_of([]) == (None, None)


def test_stages_lead_from_one_state_to_the_next_and_back() -> None:
    """Each begins where the one before ended, and the one before takes it back."""
    for stage, before in BEFORE.items():
        assert AFTER[stage] in FROM[stage]
        if before:
            assert AFTER[before] in FROM[stage]
            assert AFTER[stage] in FROM[before]
    assert State.BROKEN not in {state for states in FROM.values() for state in states}


def test_what_reads_an_authority_is_restarted_in_order() -> None:
    """The scheduler believes by its kubeconfig."""
    assert readers_of(CLUSTER) == ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    assert readers_of(ETCD) == ("etcd", "kube-apiserver")
    assert readers_of(FRONT) == readers_of(SA) == ("kube-apiserver", "kube-controller-manager")
