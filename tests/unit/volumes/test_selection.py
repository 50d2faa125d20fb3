"""Which claims a backup includes, its names, and its ids."""

import pytest
from pydantic import ValidationError

from tasks.volumes.models.backups import VolumeBackupId
from tasks.volumes.models.selection import Selection
from tasks.volumes.policy.names import snapshot_name
from tests.facts.volumes import NOW, RUN


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"claims": ["shop/b", "shop/a"]}, "claims shop/b, shop/a"),
        ({"namespaces": ["shop"]}, "all claims in shop"),
        ({"namespaces": ["shop"], "labels": "app=db"}, "claims with app=db in shop"),
        ({"labels": "app=db"}, "claims with app=db in all namespaces"),
        ({"namespaces": ["shop"], "workload": "sts/db"}, "the claims of statefulset/db in shop"),
    ],
)
def test_a_selection_says_what_it_selects(given: dict[str, object], words: str) -> None:
    """One way at a time; only the workload has a reference."""
    made = Selection.model_validate(given)
    assert made.in_words == words
    assert (made.ref is None) == ("workload" not in given)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "selects nothing"),
        ({"workload": "deployment/web"}, "a workload needs exactly one namespace"),
        ({"workload": "deployment/web", "namespaces": ["a", "b"]}, "a workload needs exactly one namespace"),
        ({"workload": "deployment/web", "namespaces": ["a"], "labels": "x=y"}, "give only one of"),
        ({"claims": ["a/b"], "namespaces": ["a"]}, "leave out namespaces"),
        ({"claims": ["a/b"], "labels": "x=y"}, "give only one of"),
        ({"claims": ["data"]}, "write NAMESPACE/NAME"),
        ({"labels": "x=y&limit=1"}, "is no label selector"),
    ],
)
def test_a_selection_that_is_not_clear_is_refused(given: dict[str, object], problem: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValidationError, match=problem):
        Selection.model_validate(given)


def test_retention_counts_the_same_selection_together_in_any_order() -> None:
    """And no other one."""
    one, same = Selection(claims=("a/b", "a/c")), Selection(claims=("a/c", "a/b"))
    assert one.series == same.series != Selection(claims=("a/b",)).series


def test_an_id_sorts_by_time_and_is_read_back() -> None:
    """What is none is none."""
    made = VolumeBackupId(taken_at=NOW, series="0a1b2c3d", run=RUN)
    assert str(made) == f"20261123T120000Z-0a1b2c3d-{RUN}"
    assert VolumeBackupId.parse(str(made)) == made == VolumeBackupId.model_validate(made.model_dump())
    assert VolumeBackupId.parse("20261123T120000Z-4711-0a1b2c3d") is None


def test_each_attempt_of_a_run_finds_its_snapshot_by_name() -> None:
    """Another run, and another claim of the same name, have other names. A long name is cut."""
    name = snapshot_name("data", "u1", RUN)
    assert name == snapshot_name("data", "u1", RUN)
    assert len({name, snapshot_name("data", "u2", RUN), snapshot_name("data", "u1", "other")}) == 3
    assert snapshot_name(f"{'a' * 39}-{'b' * 100}", "u1", RUN).startswith("a" * 39 + "-")
    assert len(snapshot_name("a" * 250, "u1", RUN)) <= 63
