"""Decides in how many parts an archive is sent, and what room they need on the node."""

MEGABYTE = 2**20
SMALLEST_PART = 64 * MEGABYTE
MOST_PARTS = 9000
"""Limits the parts; a store takes 10,000."""

ENTRY_BYTES = 4096
"""This is what an entry may add to an archive: its headers, its attributes, and what fills its last block."""

LIST_BYTES = 512
"""This is what an entry may add to the compressed list."""


def part_bytes(size: int, entries: int) -> int:
    """Returns the size of a part, in whole megabytes, so that the archive has no more parts than a store takes."""
    return max(SMALLEST_PART, -(-_expected(size, entries) // (MOST_PARTS * MEGABYTE)) * MEGABYTE)


def parts_for(size: int, entries: int) -> int:
    """Returns how many parts an archive may have; a tenth more than the folder has now."""
    return _expected(size, entries) // part_bytes(size, entries) + 2


def list_parts_for(size: int, entries: int) -> int:
    """Returns how many parts the list may have."""
    return entries * LIST_BYTES // part_bytes(size, entries) + 1


def space_needed(size: int, entries: int) -> int:
    """Returns the bytes needed on the node: two parts, and the list before and after it is compressed."""
    return 2 * part_bytes(size, entries) + 4 * entries * LIST_BYTES


def _expected(size: int, entries: int) -> int:
    return (size + entries * ENTRY_BYTES) * 11 // 10
