"""What proves that a restored cluster works."""

import pytest

from tasks.restore.policy.proof import is_gone, problem_of_write
from tasks.restore.scripts import parse_write


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("read 1 7\nwatched {id 1}\nold Error from server (Expired)", ""),
        ('read 1 7\nwatched {id 1}\nold {"code":410}', ""),
        ("read 2 7\nwatched {id 1}\nold (Gone)", "the object that was written reads '2 7'"),
        ("read 1 7\nwatched\nold (Gone)", "a watch did not see the write"),
        ("read 1 7\nwatched {id 1}\nold ", "a watch from before the restore was not refused"),
        ("", "the object that was written reads None"),
    ],
)
def test_a_write_is_proven_by_reading_watching_and_the_end_of_old_watches(told: str, problem: str) -> None:
    """In kubectl's own words."""
    found = problem_of_write(parse_write(told.encode()), "1")
    assert problem in (found.text if found else "")
    assert bool(problem) == bool(found)
    assert not is_gone('{"type":"ADDED"}')
