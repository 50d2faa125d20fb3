"""Reads why the API refuses a pod, where it has only words for that.

This is the one place that reads words. A controller keeps the API's message in an event or in a condition, without the
status. And the API answers 403 `Forbidden` without a cause for a quota as for any other policy.
"""

from enum import Enum, auto


class Denial(Enum):
    """Lists what refuses a pod."""

    QUOTA = auto()
    WEBHOOK = auto()
    POLICY = auto()


def denial_of(message: str) -> Denial:
    """Returns what refuses a pod with this message."""
    if "exceeded quota" in message:
        return Denial.QUOTA
    return Denial.WEBHOOK if "failed calling webhook" in message else Denial.POLICY
