"""Decides the names of snapshots. Each attempt of a run gets the same, so that it finds what an earlier attempt created."""

import hashlib

LONGEST = 40
"""Limits how much of the claim's name is in the name of its snapshot."""


def snapshot_name(claim: str, claim_uid: str, run: str) -> str:
    """Returns the name of the VolumeSnapshot that a run takes of a claim."""
    mark = hashlib.sha256(f"{run}/{claim_uid}".encode()).hexdigest()[:12]
    return f"{claim[:LONGEST].rstrip('.-')}-{mark}"
