"""Summarizes a backup of resources: what people read first."""

from tasks.core.models.findings import listed
from tasks.core.words import counted, duration_in_words
from tasks.resources.models import Cleaned, Comparison, FilesProof, Manifest
from tasks.resources.policy.changes import in_words


def summarize_resources(
    manifest: Manifest, place: str, proof: FilesProof | None, compared: Comparison | None, cleaned: Cleaned
) -> tuple[str, ...]:
    """Returns the summary for the report."""
    figures = manifest.figures
    return (
        f"{manifest.state} backup {manifest.id} in {place}: {counted(manifest.index.entries, 'object')} "
        f"of {counted(len(manifest.counts), 'kind')}",
        instant_words(manifest),
        *(f"not read: {skip.subject}: {skip.reason}" for skip in manifest.not_read),
        f"{counted(figures.dumped, 'file')} written, {manifest.index.entries - figures.dumped} shared with earlier backups: "
        f"{counted(figures.new_packs, 'new pack')}, {figures.new_bytes} bytes added in {duration_in_words(figures.took)}",
        *proof_words(proof),
        secrets_words(manifest),
        *(f"corrupt in the bucket: {skip.subject}: {skip.reason}" for skip in manifest.corrupt),
        *left_words(manifest),
        *changes_words(compared),
        *cleaned_words(cleaned),
    )


def instant_words(manifest: Manifest) -> str:
    """Returns whether all objects are of one instant."""
    if not manifest.instant:
        return f"not one instant: {manifest.why_not}"
    later = f", without {listed([skip.subject for skip in manifest.later])}" if manifest.later else ""
    return f"one instant{later}: all kinds are as they were at resourceVersion {manifest.instant}"


def proof_words(proof: FilesProof | None) -> tuple[str, ...]:
    """Returns what was read back."""
    if proof is None:
        return ()
    return (
        f"proven: {counted(proof.files, 'file')} in {counted(proof.packs, 'pack')}, read back, have the sha256 that was written; "
        f"{counted(proof.present, 'earlier pack')} present in the right size",
    )


def secrets_words(manifest: Manifest) -> str:
    """Returns who can read the values of Secrets."""
    if not manifest.recipients:
        return "values of Secrets are not in the backup: add backup.recipients to the profile"
    return f"values of Secrets are encrypted for {counted(len(manifest.recipients), 'recipient')}; all else is readable"


def left_words(manifest: Manifest) -> tuple[str, ...]:
    """Returns how many objects were left out, by reason."""
    reasons: dict[str, int] = {}
    for one in manifest.left_out:
        if one.count:
            reasons[one.reason] = reasons.get(one.reason, 0) + one.count
    told = [f"{count} ({reason})" for reason, count in sorted(reasons.items(), key=lambda one: (-one[1], one[0]))]
    return (f"left out: {', '.join(told)}",) if told else ()


def changes_words(compared: Comparison | None) -> tuple[str, ...]:
    """Returns what changed since the previous backup."""
    if compared is None:
        return ("there is no previous backup to compare with",)
    unread = f"; not compared: {listed(compared.not_compared)}" if compared.not_compared else ""
    earlier = "".join(f"; {one.subject} {one.reason}" for one in compared.earlier)
    return (f"since backup {compared.older}: {compared.sentence}{earlier}{unread}", *in_words(compared.changes))


def cleaned_words(cleaned: Cleaned) -> tuple[str, ...]:
    """Returns what was removed."""
    kept, removed = len(cleaned.retention.kept), len(cleaned.retention.removed)
    left = (
        (
            f"left in the store: {counted(len(cleaned.left), 'object')}; "
            f"the first: {cleaned.left[0].subject}: {cleaned.left[0].reason}",
        )
        if cleaned.left
        else ()
    )
    broken = (f"backup {skip.subject} is NOT whole: {skip.reason}" for skip in cleaned.broken)
    return (
        f"retention: {kept} kept, {removed} removed; packs: {len(cleaned.packs)} removed, {cleaned.marked} no longer used",
        *left,
        *broken,
    )
