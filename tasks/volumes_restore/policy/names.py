"""Decides names. Each attempt gets the same, so that it finds what an earlier attempt made."""

import hashlib

from tasks.volumes.models.archives import Archive
from tasks.volumes.models.backups import VolumeRecord
from tasks.volumes.policy.names import short


def mark_of(backup: str, namespace: str, claim: str, claim_uid: str = "") -> str:
    """Returns the mark of a restore; a switch also depends on the claim that it replaces."""
    return hashlib.sha256(f"{backup}/{namespace}/{claim}/{claim_uid}".encode()).hexdigest()[:12]


def suffix_of(suffix: str, mark: str) -> str:
    """Returns what the names end with of all that is made beside what is old."""
    return suffix or f"restored-{mark}"


def beside(claim: str, suffix: str, mark: str) -> str:
    """Returns the name of a claim beside the old one."""
    return f"{short(claim)}-{suffix_of(suffix, mark)}"


def sign_of(record: VolumeRecord | Archive, mark: str) -> str:
    """Returns what the claim carries that gets the new volume first: the mark of its restore, or the key of its archive."""
    return record.data_key if isinstance(record, Archive) else mark


def temporary(claim: str, mark: str) -> str:
    """Returns the name of the claim to which a new volume is bound until it is switched."""
    return f"{short(claim)}-switch-{mark}"


def import_name(claim: str, mark: str) -> str:
    """Returns the name of an imported VolumeSnapshot."""
    return f"{short(claim)}-import-{mark}"


def content_name(mark: str) -> str:
    """Returns the name of an imported VolumeSnapshotContent, which has no namespace."""
    return f"kube-runbooks-{mark}"
