"""Decides how many objects of a list are read at once, so that large objects do not fill the memory."""

import json
from collections.abc import Sequence
from typing import Any

FIRST_PAGE, SMALLEST, LARGEST_PAGE = 50, 10, 500
"""Limits the number of objects: of the first page, whose objects may be of any size, and of all others."""

PAGE_BYTES = 8 * 2**20
SAMPLE = 10
"""Is how many objects of a page are measured."""


def next_limit(page: Sequence[dict[str, Any]]) -> int:
    """Returns how many objects the next page should have, by the size of some objects of this one."""
    some = page[:: max(1, len(page) // SAMPLE)]
    size = sum(len(json.dumps(one)) for one in some) // max(1, len(some))
    return max(SMALLEST, min(LARGEST_PAGE, PAGE_BYTES // max(1, size)))
