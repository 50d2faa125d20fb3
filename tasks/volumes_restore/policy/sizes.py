"""Compares sizes as the API writes them. Rules know no client, so they cannot use its parser; a test compares both."""

import re
from decimal import ROUND_CEILING, Decimal

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][0-9]+)?)([KMGTPE]i?|k|m)?")
_UNITS = {
    "": Decimal(1),
    "m": Decimal(1) / 1000,
    "k": Decimal(1000),
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def bytes_of(size: str) -> int:
    """Returns a size in bytes, rounded up; 0 if it is not one."""
    found = _SIZE.fullmatch(size)
    if not found:
        return 0
    return int((Decimal(found[1]) * _UNITS[found[2] or ""]).to_integral_value(ROUND_CEILING))


def larger(size: str, needed: int) -> str:
    """Returns the size, or the needed bytes if it is smaller."""
    return size if bytes_of(size) >= needed and size else str(needed)
