"""The line that Prefect shows of a run that was refused or has failed."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.run.policy.end_message import LIMIT, end_message

LONG = "cp1: the disk of etcd is full; " * 20
COMMAND = "kube-runbooks run etcd-maintenance prod --mode apply"


def test_the_problem_comes_first_and_then_the_next_step() -> None:
    """On one line."""
    assert end_message("cp1 is away", COMMAND) == f"cp1 is away. Next: {COMMAND}"
    assert end_message("cp1 says:\n  no", "") == "cp1 says: no"


def test_a_long_problem_is_cut_and_its_next_step_is_whole() -> None:
    """Between two words."""
    shown = end_message(LONG, COMMAND)
    assert len(shown) <= LIMIT
    assert shown.startswith("cp1: the disk of etcd is full; cp1:")
    assert shown.endswith(f" … Next: {COMMAND}")


def test_half_of_a_command_is_not_shown() -> None:
    """The report has all of it."""
    command = f"rm {' '.join(f'/srv/backup/{number}' for number in range(40))}"
    assert end_message("the disk is full", command) == "the disk is full Next: see the report"
    assert end_message(LONG, "").endswith(" … Next: see the report")


def test_several_problems_have_a_line_each() -> None:
    """With their own next steps; a page has room for some."""
    assert end_message("a\nb", "do a\ndo b") == "a. Next: do a\nb. Next: do b"
    many = end_message("\n".join("abcdefg"), "\n".join("ABCDEFG"))
    assert many.splitlines()[-2:] == ["e. Next: E", "2 more: see the report"]


@given(st.text(), st.text().filter(lambda text: "\n" not in text))
def test_it_is_one_line_and_short_whatever_is_said(problem: str, next_step: str) -> None:
    """Prefect's list and most pagers cut the rest."""
    shown = end_message(problem, next_step)
    assert len(shown) <= LIMIT
    assert len(shown.splitlines()) <= 1
