"""Decides the names of snapshots. Each attempt of a run gets the same, so that it finds what an earlier attempt created."""

import hashlib

LONGEST = 40
"""Limits how much of a claim's name is in the name of what is made of it."""


def snapshot_name(claim: str, claim_uid: str, run: str) -> str:
    """Returns the name of the VolumeSnapshot that a run takes of a claim."""
    mark = hashlib.sha256(f"{run}/{claim_uid}".encode()).hexdigest()[:12]
    return f"{short(claim)}-{mark}"


def short(claim: str) -> str:
    """Returns the name of a claim, or the beginning of a long one: what is made of it has the name and more."""
    return claim[:LONGEST].rstrip(".-")
