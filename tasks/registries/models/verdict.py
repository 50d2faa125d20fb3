"""Says whether a node can have an image."""

from enum import StrEnum


class Verdict(StrEnum):
    """Says whether a node can have an image."""

    THERE = "there"
    REFUSED = "refused"
    """The registry answered: the image does not exist, or these credentials may not pull it."""
    OTHER_PLATFORM = "other platform"
    UNKNOWN = "unknown"
